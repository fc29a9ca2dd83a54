import { Button, Group, Paper, Stack, Title } from "@mantine/core";
import { IconUserCheck, IconUserX } from "@tabler/icons-react";
import { personName } from "../outcome";
import type { Question } from "../review";
import { Comparison } from "./Comparison";
import { Consequence } from "./Consequence";
import { useAnswers } from "./useAnswers";

/** Asks about one detection whether it shows its candidate. */
export function CandidateQuestion({ question }: { question: Question }) {
  const { accept, reject, isPending } = useAnswers(question);
  return (
    <Paper withBorder p="md" component="section" aria-label="Question">
      <Stack gap="sm">
        <Title order={3} fz="md">
          Is this {personName(question.candidate)}?
        </Title>
        <Comparison question={question} />
        <Consequence question={question} />
        <Group gap="xs">
          <Button
            leftSection={<IconUserCheck size={16} aria-hidden />}
            disabled={isPending}
            onClick={accept}
          >
            Yes
          </Button>
          <Button
            variant="default"
            leftSection={<IconUserX size={16} aria-hidden />}
            disabled={isPending}
            onClick={reject}
          >
            No
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}
