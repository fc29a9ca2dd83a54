import { Skeleton, Title } from "@mantine/core";
import type { ReactNode } from "react";
import type { DetectionFilter } from "../api/client";
import { useCameraName, useDetections } from "../api/queries";
import type { Detection } from "../api/types";
import { dayName } from "../format";
import { CardGrid } from "./CardGrid";
import { DetectionCard, type Selection } from "./DetectionCard";
import { Failure } from "./Failure";
import { LoadMore } from "./LoadMore";

const CARD_WIDTH_PX = 158;

/**
 * Detections, newest first, by day; `empty` stands in where there are none. With a `selection` they
 * are chosen, without one they open.
 */
export function DetectionList({
  filter,
  empty,
  selection,
}: {
  filter: DetectionFilter;
  empty: ReactNode;
  selection?: Selection | undefined;
}) {
  const detections = useDetections(filter);
  const cameraName = useCameraName();

  if (detections.isPending) {
    return (
      <CardGrid label="Loading" cardWidth={CARD_WIDTH_PX}>
        {Array.from({ length: 12 }, (_, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
          <Skeleton key={place} component="li" height={215} />
        ))}
      </CardGrid>
    );
  }
  if (!detections.data) return <Failure error={detections.error} retry={detections.refetch} />;
  if (detections.data.length === 0) return empty;

  return (
    <>
      {byDay(detections.data).map(([day, ofDay]) => (
        <section key={day} aria-label={day}>
          <Title order={2} fz="sm" c="dimmed" mt="md" mb="xs">
            {day}
          </Title>
          <CardGrid label={`Detections, ${day}`} cardWidth={CARD_WIDTH_PX}>
            {ofDay.map((detection) => (
              <li key={detection.id}>
                <DetectionCard
                  detection={detection}
                  camera={cameraName(detection.camera_id)}
                  selection={selection}
                />
              </li>
            ))}
          </CardGrid>
        </section>
      ))}
      <LoadMore list={detections} label="Load older" />
    </>
  );
}

function byDay(detections: Detection[]): [string, Detection[]][] {
  const days = new Map<string, Detection[]>();
  for (const detection of detections) {
    const day = dayName(detection.captured_at);
    const ofDay = days.get(day);
    if (ofDay) ofDay.push(detection);
    else days.set(day, [detection]);
  }
  return [...days];
}
