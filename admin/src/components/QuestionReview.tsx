import { Skeleton, Stack, Title } from "@mantine/core";
import { IconUserCheck } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { detectionImage } from "../api/client";
import { useReview } from "../api/queries";
import type { Detection } from "../api/types";
import { count } from "../format";
import { personName } from "../outcome";
import {
  acceptCandidate,
  ignoreAll,
  MOST_TAKEN_OUT,
  type Question,
  questionsOf,
  rejectCandidate,
  takeOut,
} from "../review";
import { type Choice, KeyLegend } from "./AnswerKeys";
import { Answers } from "./Answers";
import { Comparison } from "./Comparison";
import { Consequence } from "./Consequence";
import { EmptyState } from "./EmptyState";
import { Failure } from "./Failure";
import { LoadMore } from "./LoadMore";
import styles from "./Review.module.css";
import { type Card, Several, useChosen } from "./Several";
import { useIdentityChange } from "./Undo";
import { useMoreAhead } from "./useMoreAhead";
import { useQueue } from "./useQueue";

/** "Is this Alice?": the faces about which Usher asks, one after the other or several at once. */
export function QuestionReview({ several }: { several: boolean }) {
  const { waiting, settle } = useReview();
  const questions = questionsOf(waiting.data ?? []);
  const { place, shown, move } = useQueue(questions, ({ key }) => key);
  useMoreAhead(waiting, several ? 0 : place, questions.length);

  if (waiting.isPending)
    return <Skeleton height={560} maw="44rem" role="progressbar" aria-label="Loading" />;
  if (!waiting.data) return <Failure error={waiting.error} retry={waiting.refetch} />;
  if (!shown) return <NoQuestions />;
  if (several) {
    return (
      <SeveralQuestions questions={questions} settle={settle}>
        <LoadMore list={waiting} />
      </SeveralQuestions>
    );
  }
  return (
    <section className={styles.question} aria-label="Question">
      <div className={styles.head}>
        <Title order={2} fz="xl" aria-live="polite">
          Is this {personName(shown.candidate)}?
        </Title>
        <span className={styles.place}>
          {place + 1} of {questions.length}
          {waiting.hasNextPage && " or more"}
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
      <KeyLegend />
    </section>
  );
}

function NoQuestions() {
  return (
    <EmptyState icon={IconUserCheck} title="No questions">
      <Stack gap={4}>
        <span>Everyone who was seen is either known for sure or surely a stranger.</span>
        <span>Where a face is probably somebody you know, Usher asks about it here.</span>
      </Stack>
    </EmptyState>
  );
}

function SeveralQuestions({
  questions,
  settle,
  children,
}: {
  questions: Question[];
  settle: (answered: Detection[]) => void;
  children: ReactNode;
}) {
  const change = useIdentityChange();

  const { chosen, marked, toggle } = useChosen(questions, ({ key }) => key);
  const strangers = chosen.flatMap(({ stranger }) => stranger ?? []);
  const detections = chosen.flatMap((question) => question.detections);

  function answer(request: () => Promise<unknown>, done: string) {
    change.run(request, {
      done: `${count(chosen.length, "question")} answered. ${done}`,
      onDone: () => settle(detections),
    });
  }

  const choices: Choice[] = [
    {
      key: "Y",
      label: "Yes",
      variant: "filled",
      answer: () => answer(() => inTurn(chosen, acceptCandidate), "They are who they seem."),
    },
    {
      key: "N",
      label: "No",
      answer: () => answer(() => inTurn(chosen, rejectCandidate), "They are somebody else."),
    },
    {
      key: "I",
      label: "Ignore",
      disabled: strangers.length < chosen.length,
      answer: () => answer(() => ignoreAll(strangers), "Ignored from now on."),
    },
    {
      key: "F",
      label: "Not faces",
      disabled: detections.length > MOST_TAKEN_OUT,
      answer: () => answer(() => takeOut(detections), "Taken out: no faces."),
    },
  ];

  return (
    <Several
      label="Questions"
      cards={questions.map(cardOf)}
      marked={marked}
      toggle={toggle}
      choices={choices}
    >
      {children}
    </Several>
  );
}

function cardOf({ key, candidate, stranger, detections }: Question): Card {
  return {
    key,
    picture: <img src={detectionImage(detections[0].id)} alt="" loading="lazy" />,
    title: `${personName(candidate)}?`,
    detail: stranger ? count(detections.length, "picture") : "Not identified",
  };
}

async function inTurn<Item>(items: Item[], request: (item: Item) => Promise<unknown>) {
  for (const item of items) await request(item);
}
