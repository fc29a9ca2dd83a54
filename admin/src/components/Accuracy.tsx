import { Stack, Text } from "@mantine/core";
import type { IdentityStats } from "../api/types";
import { estimateWords } from "../estimateWords";
import { sentence } from "../format";

/** How often a stranger is taken for somebody, how often somebody is missed, and why so. */
export function Accuracy({ stats: { fpir, fnir, rule, reason } }: { stats: IdentityStats }) {
  return (
    <Stack gap="md" maw="46rem">
      <Finding
        title="Strangers taken for somebody you know"
        words={
          fpir
            ? estimateWords(fpir, "strangers", "would be called by a name")
            : noEstimate(rule, "twenty people with photographs, each tried as a stranger")
        }
      />
      <Finding
        title="People you know who are not recognised"
        words={
          fnir
            ? estimateWords(fnir, "pictures of people you know", "would not be recognised")
            : noEstimate(rule, "twenty photographs of people who have two or more")
        }
      />
      <Finding title="How strict Usher is, and why" words={sentence(reason)} />
    </Stack>
  );
}

function noEstimate(rule: IdentityStats["rule"], needed: string): string {
  return rule === "fixed"
    ? "No estimate: with one fixed distance Usher makes none."
    : `No estimate yet. It takes ${needed}.`;
}

function Finding({ title, words }: { title: string; words: string }) {
  return (
    <div>
      <Text fw={600} fz="sm">
        {title}
      </Text>
      <Text>{words}</Text>
    </div>
  );
}
