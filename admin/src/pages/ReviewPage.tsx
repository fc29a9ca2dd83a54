import { Skeleton, Stack, Title } from "@mantine/core";
import { IconUserCheck } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useReview } from "../api/queries";
import { Answers } from "../components/Answers";
import { Comparison } from "../components/Comparison";
import { Consequence } from "../components/Consequence";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { personName } from "../outcome";
import { type Question, questionsOf } from "../review";
import styles from "./ReviewPage.module.css";

/** So many questions before the end of what is loaded, more are loaded. */
const AHEAD = 10;

/** "Is this Alice?": the faces about which Usher asks, one after the other. */
export function ReviewPage() {
  const { waiting, settle } = useReview();
  const questions = questionsOf(waiting.data ?? []);
  const { place, shown, move } = useQueue(questions);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = waiting;
  const runsShort = hasNextPage && !isFetchingNextPage && place + AHEAD > questions.length;

  useEffect(() => {
    if (runsShort) void fetchNextPage();
  }, [runsShort, fetchNextPage]);

  if (waiting.isPending) return <Skeleton height={560} maw="44rem" aria-label="Loading" />;
  if (!waiting.data) return <Failure error={waiting.error} retry={waiting.refetch} />;
  return (
    <>
      <PageHeader title="Review" />
      {shown ? (
        <section className={styles.question} aria-label="Question">
          <div className={styles.head}>
            <Title order={2} fz="xl" aria-live="polite">
              Is this {personName(shown.candidate)}?
            </Title>
            <span className={styles.place}>
              {place + 1} of {questions.length}
              {hasNextPage && " or more"}
            </span>
          </div>
          <Comparison key={shown.key} question={shown} />
          <Consequence question={shown} />
          <Answers
            question={shown}
            onAnswered={() => settle(shown.detections)}
            onSkip={() => move(1)}
            onBack={() => move(-1)}
          />
        </section>
      ) : (
        <EmptyState icon={IconUserCheck} title="No questions">
          <Stack gap={4}>
            <span>Everyone who was seen is either known for sure or surely a stranger.</span>
            <span>Where a face is probably somebody you know, Usher asks about it here.</span>
          </Stack>
        </EmptyState>
      )}
    </>
  );
}

/** Goes round the questions, which come and go; one that is on the screen stays there. */
function useQueue(questions: Question[]) {
  const [at, setAt] = useState<{ place: number; key?: string }>({ place: 0 });
  const held = questions.findIndex(({ key }) => key === at.key);
  const place = held < 0 ? at.place % Math.max(questions.length, 1) : held;
  const shown = questions[place];
  if (shown && (shown.key !== at.key || place !== at.place)) setAt({ place, key: shown.key });

  function move(steps: number) {
    const next = (place + steps + questions.length) % questions.length;
    setAt({ place: next, key: questions[next]?.key });
  }

  return { place, shown, move };
}
