import { Button, Group, Switch } from "@mantine/core";
import { Link, useSearchParams } from "react-router";
import { PageHeader } from "../components/PageHeader";
import { QuestionReview } from "../components/QuestionReview";
import { StrangerReview } from "../components/StrangerReview";

const QUEUES = [
  { queue: "questions", label: "Is this…?", Queue: QuestionReview },
  { queue: "strangers", label: "Strangers", Queue: StrangerReview },
] as const;

/** What waits for a person's answer: whom Usher is unsure of, and whom it has no name for. */
export function ReviewPage() {
  const [parameters, setParameters] = useSearchParams();
  const several = parameters.has("several");
  const shown = QUEUES.find(({ queue }) => queue === parameters.get("queue")) ?? QUEUES[0];

  function addressOf(queue: string): string {
    return `?${new URLSearchParams({ queue, ...(several && { several: "" }) })}`;
  }

  return (
    <>
      <PageHeader title="Review">
        <Group gap="md">
          <Switch
            label="Several at once"
            checked={several}
            onChange={(event) =>
              setParameters({
                queue: shown.queue,
                ...(event.currentTarget.checked && { several: "" }),
              })
            }
          />
          <Button.Group>
            {QUEUES.map(({ queue, label }) => (
              <Button
                key={queue}
                component={Link}
                to={addressOf(queue)}
                variant={queue === shown.queue ? "light" : "default"}
                aria-current={queue === shown.queue ? "true" : undefined}
              >
                {label}
              </Button>
            ))}
          </Button.Group>
        </Group>
      </PageHeader>
      <shown.Queue key={shown.queue} several={several} />
    </>
  );
}
