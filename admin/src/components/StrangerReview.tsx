import { Anchor, Skeleton, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconMoodSmile } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useCameraName, useDetections, useStrangers } from "../api/queries";
import type { Person } from "../api/types";
import { count } from "../format";
import { personName } from "../outcome";
import { areFew, ignoreAll, joinStrangers, nameStrangers, takeOutStrangers } from "../review";
import { AnswerKeys, type Choice, KeyLegend } from "./AnswerKeys";
import { pictureOfDetection } from "./Comparison";
import { EmptyState } from "./EmptyState";
import { Failure } from "./Failure";
import { LoadMore } from "./LoadMore";
import { Pictures } from "./Pictures";
import { Portrait } from "./Portrait";
import styles from "./Review.module.css";
import { type Card, Several, useChosen } from "./Several";
import { TimeAgo } from "./TimeAgo";
import { useIdentityChange } from "./Undo";
import { useKeys } from "./useKeys";
import { useMoreAhead } from "./useMoreAhead";
import { useQueue } from "./useQueue";
import { WhoDialog } from "./WhoDialog";

/** "Who is this?": the strangers, the newest first, one after the other or several at once. */
export function StrangerReview({ several }: { several: boolean }) {
  const { waiting, settle } = useStrangers();
  const strangers = (waiting.data ?? []).filter(({ detections }) => detections > 0);
  const { place, shown, move } = useQueue(strangers, ({ id }) => id);
  useMoreAhead(waiting, several ? 0 : place, strangers.length);

  if (waiting.isPending)
    return <Skeleton height={560} maw="44rem" role="progressbar" aria-label="Loading" />;
  if (!waiting.data) return <Failure error={waiting.error} retry={waiting.refetch} />;
  if (!shown) {
    return (
      <EmptyState icon={IconMoodSmile} title="No strangers">
        Everyone who was seen has a name or is ignored, or nobody was seen yet.
      </EmptyState>
    );
  }
  if (several) {
    return (
      <SeveralStrangers strangers={strangers} settle={settle}>
        <LoadMore list={waiting} />
      </SeveralStrangers>
    );
  }
  return (
    <section className={styles.question} aria-label="Stranger">
      <div className={styles.head}>
        <Title order={2} fz="xl">
          Who is this?
        </Title>
        <span className={styles.place}>
          {place + 1} of {strangers.length}
          {waiting.hasNextPage && " or more"}
        </span>
      </div>
      <Stranger key={shown.id} person={shown} />
      <StrangerAnswers
        stranger={shown}
        onAnswered={() => settle([shown])}
        onSkip={() => move(1)}
        onBack={() => move(-1)}
      />
      <KeyLegend />
    </section>
  );
}

function Stranger({ person }: { person: Person }) {
  const cameraName = useCameraName();
  const detections = useDetections({ person_id: person.id });
  const seen = (detections.isPlaceholderData ? [] : (detections.data ?? [])).map((detection) =>
    pictureOfDetection(detection, cameraName(detection.camera_id)),
  );
  return (
    <div className={styles.stranger}>
      <Text fz="sm" aria-live="polite">
        <Anchor component={Link} to={`/people/${person.id}`} inherit className={styles.name}>
          {personName(person)}
        </Anchor>
        , {count(person.detections, "sighting")}
        {person.last_seen_at && (
          <>
            , seen last <TimeAgo at={person.last_seen_at} />
          </>
        )}
      </Text>
      <Pictures pictures={seen} none={<Portrait person={person} size="100%" />} />
    </div>
  );
}

function StrangerAnswers({
  stranger,
  onAnswered,
  onSkip,
  onBack,
}: {
  stranger: Person;
  onAnswered: () => void;
  onSkip: () => void;
  onBack: () => void;
}) {
  const { choices, dialog } = useStrangerAnswers([stranger], onAnswered);
  useKeys([["ArrowLeft", onBack]]);
  return (
    <AnswerKeys choices={[...choices, { key: "ArrowRight", label: "Skip", answer: onSkip }]}>
      {dialog}
    </AnswerKeys>
  );
}

function SeveralStrangers({
  strangers,
  settle,
  children,
}: {
  strangers: Person[];
  settle: (answered: Person[]) => void;
  children: ReactNode;
}) {
  const { chosen, marked, toggle } = useChosen(strangers, ({ id }) => id);
  const { choices, dialog } = useStrangerAnswers(chosen, () => settle(chosen));
  return (
    <Several
      label="Strangers"
      cards={strangers.map(cardOf)}
      marked={marked}
      toggle={toggle}
      choices={choices}
    >
      {children}
      {dialog}
    </Several>
  );
}

function cardOf(person: Person): Card {
  return {
    key: person.id,
    picture: <Portrait person={person} size="100%" />,
    title: person.id,
    detail: count(person.detections, "sighting"),
  };
}

/** What can be answered about strangers who are one person, and the dialog that asks for whom. */
function useStrangerAnswers(strangers: Person[], onAnswered: () => void) {
  const [asking, { open, close }] = useDisclosure();
  const change = useIdentityChange();
  const [only, ...others] = strangers;
  const alone = others.length === 0;

  function answer(request: () => Promise<unknown>, done: string) {
    change.run(request, {
      done,
      personId: alone ? only?.id : undefined,
      onDone: () => {
        close();
        onAnswered();
      },
    });
  }

  const choices: Choice[] = [
    { key: "N", label: "Name", answer: open, variant: "filled" },
    { key: "S", label: "Same as…", answer: open },
    {
      key: "I",
      label: "Ignore",
      answer: () => answer(() => ignoreAll(strangers), "Ignored from now on."),
    },
    {
      key: "F",
      label: alone ? "Not a face" : "Not faces",
      disabled: !areFew(strangers),
      answer: () => answer(() => takeOutStrangers(strangers), "Taken out: not a face."),
    },
  ];
  const dialog = (
    <WhoDialog
      title={alone ? "Who is this?" : `Who are these ${strangers.length}?`}
      exclude={only?.id}
      consequence={
        alone
          ? "Goes for all that was seen of this stranger."
          : `All ${strangers.length} become one person, with all that was seen of them.`
      }
      opened={asking}
      pending={change.isPending}
      onName={(name) => answer(() => nameStrangers(strangers, name), `Usher knows ${name} now.`)}
      onPick={(person) =>
        answer(() => joinStrangers(strangers, person.id), `This is ${personName(person)}.`)
      }
      onClose={close}
    />
  );
  return { choices, dialog };
}
