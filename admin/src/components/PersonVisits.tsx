import { Skeleton, Text, Title } from "@mantine/core";
import { IconVideo } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { detectionImage } from "../api/client";
import { useCameraName, useVisits } from "../api/queries";
import type { Visit } from "../api/types";
import { clockTime, count, dayName, lasted } from "../format";
import { useDetectionLink } from "./DetectionDrawer";
import { Failure } from "./Failure";
import { LoadMore } from "./LoadMore";
import styles from "./PersonVisits.module.css";

/** A person's visits, by day, the newest first: where, from when to when. */
export function PersonVisits({ personId, empty }: { personId: string; empty: ReactNode }) {
  const visits = useVisits(personId);
  if (visits.isPending) return <Skeleton height={200} role="progressbar" aria-label="Loading" />;
  if (!visits.data) return <Failure error={visits.error} retry={visits.refetch} />;
  if (visits.data.length === 0) return empty;
  return (
    <section aria-label="Visits">
      {byDay(visits.data).map(([day, ofDay]) => (
        <section key={day} aria-label={day}>
          <Title order={2} fz="sm" c="dimmed" mt="md" mb="xs">
            {day}
          </Title>
          <ol className={styles.timeline} aria-label={`Visits, ${day}`}>
            {ofDay.map((visit) => (
              <li key={visit.id}>
                <VisitRow visit={visit} />
              </li>
            ))}
          </ol>
        </section>
      ))}
      <LoadMore list={visits} label="Load older" />
    </section>
  );
}

function VisitRow({ visit }: { visit: Visit }) {
  const linkTo = useDetectionLink();
  const { detection_id: detectionId } = visit;
  if (!detectionId) {
    return (
      <div className={styles.visit}>
        <div className={styles.picture}>
          <IconVideo size={22} aria-hidden />
        </div>
        <Words visit={visit} />
      </div>
    );
  }
  return (
    <Link className={styles.visit} to={linkTo(detectionId)}>
      <img className={styles.picture} src={detectionImage(detectionId)} alt="" loading="lazy" />
      <Words visit={visit} />
    </Link>
  );
}

function Words({ visit }: { visit: Visit }) {
  const cameraName = useCameraName();
  const seconds = (Date.parse(visit.last_at) - Date.parse(visit.started_at)) / 1000;
  return (
    <div className={styles.words}>
      <Text fz="sm" fw={600}>
        {clockTime(visit.started_at)}
        {seconds >= 60 && `–${clockTime(visit.last_at)}`} · {cameraName(visit.camera_id)}
      </Text>
      <Text fz="xs" c="dimmed">
        {seconds >= 1 && `${lasted(seconds)}, `}
        {count(visit.detections, "sighting")}
      </Text>
    </div>
  );
}

function byDay(visits: Visit[]): [string, Visit[]][] {
  const days = new Map<string, Visit[]>();
  for (const visit of visits) {
    const day = dayName(visit.started_at);
    const ofDay = days.get(day);
    if (ofDay) ofDay.push(visit);
    else days.set(day, [visit]);
  }
  return [...days];
}
