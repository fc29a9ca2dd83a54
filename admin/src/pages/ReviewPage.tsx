import { Badge, Button, Group, Skeleton, Switch } from "@mantine/core";
import { Link, useSearchParams } from "react-router";
import { useIdentityStats, useStrangers } from "../api/queries";
import type { Person } from "../api/types";
import { PageHeader } from "../components/PageHeader";
import { QuestionReview } from "../components/QuestionReview";
import { StrangerReview } from "../components/StrangerReview";
import { LastAnswer } from "../components/Undo";

const QUEUES = [
  { queue: "questions", label: "Probably known", Queue: QuestionReview },
  { queue: "strangers", label: "Strangers", Queue: StrangerReview },
] as const;
const [QUESTIONS, STRANGERS] = QUEUES;

/** What waits for a person's answer: whom Usher is unsure of, and whom it has no name for. */
export function ReviewPage() {
  const [parameters, setParameters] = useSearchParams();
  const several = parameters.has("several");
  const stats = useIdentityStats();
  const strangers = useStrangers().waiting;
  const counts = { questions: stats.data?.review, strangers: seen(strangers.data) };
  // Where somebody comes from the menu: what waits, and the questions before the strangers.
  const first = counts.questions === 0 && counts.strangers ? STRANGERS : QUESTIONS;
  const chosen = QUEUES.find(({ queue }) => queue === parameters.get("queue"));
  const shown = chosen ?? first;

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
                {Boolean(counts[queue]) && (
                  <Badge component="span" size="sm" variant="light" ml={6}>
                    {counts[queue]}
                    {queue === "strangers" && strangers.hasNextPage && "+"}
                  </Badge>
                )}
              </Button>
            ))}
          </Button.Group>
        </Group>
      </PageHeader>
      {chosen || !stats.isPending ? (
        <shown.Queue key={shown.queue} several={several} />
      ) : (
        <Skeleton height={560} maw="44rem" role="progressbar" aria-label="Loading" />
      )}
      <LastAnswer />
    </>
  );
}

/** How many strangers there is something to see of; unknown while they are fetched. */
function seen(strangers: Person[] | undefined): number | undefined {
  return strangers?.filter(({ detections }) => detections > 0).length;
}
