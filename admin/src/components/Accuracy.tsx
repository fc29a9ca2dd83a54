import { Stack, Text } from "@mantine/core";
import type { IdentityStats } from "../api/types";
import { estimateWords, shareWords } from "../estimateWords";

/** How often a stranger is taken for somebody, how often somebody is missed, and why so. */
export function Accuracy({ stats }: { stats: IdentityStats }) {
  const { fpir, fnir, budget, reason } = stats;
  return (
    <Stack gap="md" maw="46rem">
      <Finding
        title="Strangers taken for somebody you know"
        words={
          fpir
            ? estimateWords(fpir, "strangers", "would be called by a name")
            : "No estimate yet. It takes people with photographs: Usher compares them with each other, as if one were a stranger to the rest."
        }
      />
      <Finding
        title="People you know who are not recognised"
        words={
          fnir
            ? estimateWords(fnir, "pictures of people you know", "would not be recognised")
            : "No estimate yet. It takes people with two photographs or more: Usher looks for one of them by the others."
        }
      />
      <Finding
        title="How strict Usher is, and why"
        words={[
          budget !== null && `You allow ${shareWords(budget)} strangers to be called by a name.`,
          sentence(reason),
        ]
          .filter(Boolean)
          .join(" ")}
      />
    </Stack>
  );
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

/** The API's words, with a capital and a full stop. */
function sentence(words: string): string {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
