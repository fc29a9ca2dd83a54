import { Alert, Code, Skeleton } from "@mantine/core";
import { useStats } from "../api/queries";
import { count, midnight } from "../format";
import { Figures } from "./Figures";

const SLOW_QUEUE_S = 60;

/** The counts of the day, and a word where faces wait too long to be identified. */
export function TodayFigures() {
  const stats = useStats(midnight(new Date()).toISOString()).data;
  // What is below does not move when they come.
  if (!stats) return <Skeleton height={66} role="progressbar" aria-label="Loading" />;
  const waitingS = stats.oldest_pending_s ?? 0;
  return (
    <>
      <Figures
        label="Today"
        figures={{
          "Pictures today": stats.detections,
          "People seen": stats.persons,
          "New to Usher": stats.new_persons,
          "Alerts sent": stats.alerts_sent,
          "Being identified": stats.queue,
        }}
      />
      {waitingS > SLOW_QUEUE_S && (
        <Alert color="red" mt="md" title="Faces are waiting to be identified">
          The oldest of {count(stats.queue, "detection")} has waited for{" "}
          {count(Math.round(waitingS / 60), "minute")}. Is <Code>usher classify</Code> running?
        </Alert>
      )}
    </>
  );
}
