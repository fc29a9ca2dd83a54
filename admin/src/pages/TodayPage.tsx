import { Alert, Anchor, Badge, Skeleton, Title } from "@mantine/core";
import { IconMoon, IconUserQuestion } from "@tabler/icons-react";
import { Link } from "react-router";
import { detectionImage } from "../api/client";
import {
  useCameraName,
  useContinued,
  useDetections,
  useIdentityStats,
  useVisitsOfDay,
} from "../api/queries";
import type { Visit } from "../api/types";
import { CameraStates } from "../components/CameraStates";
import { CameraTrouble } from "../components/CameraTrouble";
import { CardGrid } from "../components/CardGrid";
import { useDetectionLink } from "../components/DetectionDrawer";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { ForManagers } from "../components/ForRoles";
import { GettingStarted } from "../components/GettingStarted";
import { LoadMore } from "../components/LoadMore";
import { PageHeader } from "../components/PageHeader";
import { Portrait } from "../components/Portrait";
import { TodayFigures } from "../components/TodayFigures";
import { clockTime, count, isoDay, listed } from "../format";
import { personName } from "../outcome";
import styles from "./TodayPage.module.css";

type Guest = { person: NonNullable<Visit["person"]>; visits: Visit[] };

/** So many visits of strangers are read at once; of a day that has more, as one scrolls. */
const STRANGERS_VISITS = 1000;

/** Who was seen where today, as it happens, and how the cameras are. */
export function TodayPage() {
  return (
    <>
      <PageHeader title="Today" />
      <CameraTrouble />
      <TodayFigures />
      <CameraStates />
      <ForManagers>
        <Questions />
      </ForManagers>
      <Guests />
    </>
  );
}

function Questions() {
  const waiting = useIdentityStats().data?.review;
  if (!waiting) return null;
  return (
    <Alert mt="md" py="xs" variant="light" icon={<IconUserQuestion aria-hidden />}>
      <Anchor component={Link} to="/review" inherit c="inherit" fw={600} underline="always">
        {count(waiting, "face")}
      </Anchor>{" "}
      {waiting === 1 ? "is probably somebody's: is it?" : "are probably somebody's: are they?"}
    </Alert>
  );
}

/** Strangers first: they are why somebody looks here. */
function Guests() {
  const day = isoDay(new Date());
  const strangers = useVisitsOfDay(day, "unknown");
  const known = useVisitsOfDay(day, "known");
  const ignored = useVisitsOfDay(day, "ignored");
  useContinued(strangers, STRANGERS_VISITS);
  const lists = [strangers, known, ignored];
  const failed = lists.find(({ isError, data }) => isError && !data);
  if (failed?.error) return <Failure error={failed.error} retry={failed.refetch} />;
  // Strangers are shown as soon as they are there; the others come below them.
  const waits = strangers.isPending || (strangers.data?.length === 0 && known.isPending);
  if (waits) return <Skeleton height={200} mt="lg" role="progressbar" aria-label="Loading" />;
  const unfinished = lists.find(({ hasNextPage }) => hasNextPage);
  if (!unfinished && lists.every(({ data }) => data?.length === 0)) return <NobodyYet />;
  return (
    <>
      <Section title="Strangers" color="orange" visits={strangers} />
      <Section title="People Usher knows" color="gray" visits={known} />
      <Section title="Ignored" color="gray" visits={ignored} />
      {unfinished && <LoadMore list={unfinished} label="Load earlier visits" />}
    </>
  );
}

/** Those of a kind; "3+" where earlier visits may be somebody else's. */
function Section({
  title,
  color,
  visits,
}: {
  title: string;
  color: string;
  visits: ReturnType<typeof useVisitsOfDay>;
}) {
  const cameraName = useCameraName();
  const linkTo = useDetectionLink();
  const guests = byPerson(visits.data ?? []);
  if (guests.length === 0) return null;
  return (
    <section className={styles.section}>
      <Title order={2} fz="md" mb="xs">
        {title}{" "}
        <Badge variant="light" color={color} component="span">
          {guests.length}
          {visits.hasNextPage && "+"}
        </Badge>
      </Title>
      <CardGrid label={`${title} today`} cardWidth={272} cardHeight={82} fewest={1}>
        {guests.map((guest) => (
          <li key={guest.person.id}>
            <GuestCard guest={guest} cameraName={cameraName} linkTo={linkTo} />
          </li>
        ))}
      </CardGrid>
    </section>
  );
}

/** The first page of somebody who has just installed Usher, or a quiet day. */
function NobodyYet() {
  const detections = useDetections({});
  if (detections.isPending) return null;
  if (detections.data?.length === 0) return <GettingStarted />;
  return (
    <EmptyState icon={IconMoon} title="Nobody yet today">
      <Anchor component={Link} to="/detections" inherit>
        Earlier days are under Detections.
      </Anchor>
    </EmptyState>
  );
}

function GuestCard({
  guest: { person, visits },
  cameraName,
  linkTo,
}: {
  guest: Guest;
  cameraName: ReturnType<typeof useCameraName>;
  linkTo: ReturnType<typeof useDetectionLink>;
}) {
  const [latest] = visits;
  const pictured = visits.find((visit) => visit.detection_id)?.detection_id;
  const times = visits.flatMap((visit) => [visit.started_at, visit.last_at]).sort();
  const [first, last] = [clockTime(times[0] ?? ""), clockTime(times.at(-1) ?? "")];
  const cameras = [...new Set(visits.map((visit) => cameraName(visit.camera_id)))];
  return (
    <div className={styles.guest} data-kind={person.kind}>
      {pictured ? (
        <Link to={linkTo(pictured)} className={styles.picture}>
          <img
            src={detectionImage(pictured, 160)}
            alt={`${personName(person)}, seen today`}
            loading="lazy"
          />
        </Link>
      ) : (
        <Portrait person={{ ...person, face_id: null }} size={64} />
      )}
      <div className={styles.words}>
        <Link to={`/people/${person.id}`} className={styles.name}>
          {personName(person)}
        </Link>
        <div>{listed(cameras)}</div>
        <div className={styles.when}>
          <time dateTime={latest?.last_at}>{first === last ? first : `${first} to ${last}`}</time>
          {visits.length > 1 && `, ${count(visits.length, "visit")}`}
        </div>
      </div>
    </div>
  );
}

/** Whoever was seen last comes first; of each the newest visit. */
function byPerson(visits: Visit[]): Guest[] {
  const guests = new Map<string, Guest>();
  for (const visit of visits) {
    if (!visit.person) continue;
    const guest = guests.get(visit.person.id);
    if (guest) guest.visits.push(visit);
    else guests.set(visit.person.id, { person: visit.person, visits: [visit] });
  }
  return [...guests.values()];
}
