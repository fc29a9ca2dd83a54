import { Alert, Button, Code, NativeSelect, TextInput } from "@mantine/core";
import { IconFilterOff } from "@tabler/icons-react";
import { useSearchParams } from "react-router";
import type { DetectionFilter } from "../api/client";
import { useCameras, useStats } from "../api/queries";
import type { DetectionStatus } from "../api/types";
import { CameraTrouble } from "../components/CameraTrouble";
import { DetectionList } from "../components/DetectionList";
import { EmptyState } from "../components/EmptyState";
import { Figures } from "../components/Figures";
import { GettingStarted } from "../components/GettingStarted";
import { PageHeader } from "../components/PageHeader";
import { count, midnight } from "../format";
import styles from "./LivePage.module.css";

const SLOW_QUEUE_S = 60;

const STATUSES: { value: DetectionStatus; label: string }[] = [
  { value: "classified", label: "Identified" },
  { value: "unidentifiable", label: "Not identifiable" },
  { value: "pending", label: "Waiting" },
  { value: "failed", label: "Failed" },
  { value: "not_a_face", label: "Not a face" },
];

/** The newest detections, as they come in. */
export function LivePage() {
  const [parameters, setParameters] = useSearchParams();
  const filter = filterOf(parameters);
  const filtered = Object.values(filter).some(Boolean);

  function choose(parameter: string, value: string) {
    setParameters((current) => {
      if (value) current.set(parameter, value);
      else current.delete(parameter);
      return current;
    });
  }

  return (
    <>
      <PageHeader title="Live">
        <Filters parameters={parameters} choose={choose} />
      </PageHeader>
      <CameraTrouble />
      <TodayFigures />
      <DetectionList
        filter={filter}
        empty={
          filtered ? (
            <EmptyState icon={IconFilterOff} title="Nothing matches">
              <Button variant="default" mt="xs" onClick={() => setParameters({})}>
                Show everything
              </Button>
            </EmptyState>
          ) : (
            <GettingStarted />
          )
        }
      />
    </>
  );
}

function filterOf(parameters: URLSearchParams): DetectionFilter {
  const day = parameters.get("day");
  const start = day ? new Date(`${day}T00:00`) : undefined;
  return {
    camera_id: parameters.get("camera") ?? undefined,
    status: (parameters.get("status") as DetectionStatus | null) ?? undefined,
    from: start?.toISOString(),
    to: start && midnight(start, 1).toISOString(),
  };
}

function Filters({
  parameters,
  choose,
}: {
  parameters: URLSearchParams;
  choose: (parameter: string, value: string) => void;
}) {
  const cameras = useCameras();
  return (
    <search className={styles.filters}>
      <NativeSelect
        aria-label="Camera"
        value={parameters.get("camera") ?? ""}
        onChange={(event) => choose("camera", event.currentTarget.value)}
        data={[
          { value: "", label: "All cameras" },
          ...(cameras.data ?? []).map(({ id, name }) => ({ value: id, label: name })),
        ]}
      />
      <NativeSelect
        aria-label="Status"
        value={parameters.get("status") ?? ""}
        onChange={(event) => choose("status", event.currentTarget.value)}
        data={[{ value: "", label: "Any status" }, ...STATUSES]}
      />
      <TextInput
        type="date"
        aria-label="Day"
        value={parameters.get("day") ?? ""}
        onChange={(event) => choose("day", event.currentTarget.value)}
      />
    </search>
  );
}

function TodayFigures() {
  const stats = useStats(midnight(new Date()).toISOString()).data;
  if (!stats) return null;
  const waitingS = stats.oldest_pending_s ?? 0;
  return (
    <>
      <Figures
        label="Today"
        figures={{
          "Seen today": stats.detections,
          People: stats.persons,
          "New people": stats.new_persons,
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
