import { Button, NativeSelect, Text, TextInput } from "@mantine/core";
import { IconFilterOff } from "@tabler/icons-react";
import { useSearchParams } from "react-router";
import type { DetectionFilter, Quality } from "../api/client";
import type { DetectionStatus } from "../api/types";
import { CameraFilter } from "../components/CameraFilter";
import { DetectionList } from "../components/DetectionList";
import { EmptyState } from "../components/EmptyState";
import { GettingStarted } from "../components/GettingStarted";
import { PageHeader } from "../components/PageHeader";
import { PersonFilter } from "../components/PersonFilter";
import { midnight, startOfDay } from "../format";
import styles from "./DetectionsPage.module.css";

const STATUSES: { value: DetectionStatus; label: string }[] = [
  { value: "classified", label: "Identified" },
  { value: "unidentifiable", label: "Not identifiable" },
  { value: "pending", label: "Waiting" },
  { value: "failed", label: "Failed" },
  { value: "not_a_face", label: "Not a face" },
];

const QUALITIES: { value: Quality; label: string }[] = [
  { value: "good", label: "Good pictures" },
  { value: "poor", label: "Poor pictures" },
];

/** Every detection, the newest first, as they come in. */
export function DetectionsPage() {
  const [parameters, setParameters] = useSearchParams();
  const filter = filterOf(parameters);

  function choose(parameter: string, value: string) {
    setParameters((current) => {
      if (value) current.set(parameter, value);
      else current.delete(parameter);
      return current;
    });
  }

  return (
    <>
      <PageHeader title="Detections" />
      <Filters parameters={parameters} choose={choose} />
      <DetectionList
        filter={filter}
        empty={
          Object.values(filter).some(Boolean) ? (
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
  const [from, to] = [dayOf(parameters.get("from")), dayOf(parameters.get("to"))];
  return {
    camera_id: parameters.get("camera") ?? undefined,
    person_id: parameters.get("person") ?? undefined,
    status: (parameters.get("status") as DetectionStatus | null) ?? undefined,
    quality: (parameters.get("quality") as Quality | null) ?? undefined,
    from: from?.toISOString(),
    to: to && midnight(to, 1).toISOString(),
  };
}

function dayOf(given: string | null): Date | undefined {
  const day = given ? startOfDay(given) : undefined;
  return day && !Number.isNaN(day.getTime()) ? day : undefined;
}

function Filters({
  parameters,
  choose,
}: {
  parameters: URLSearchParams;
  choose: (parameter: string, value: string) => void;
}) {
  return (
    <search className={styles.filters}>
      <CameraFilter
        aria-label="Camera"
        value={parameters.get("camera") ?? ""}
        onChange={(id) => choose("camera", id)}
      />
      <NativeSelect
        aria-label="Status"
        value={parameters.get("status") ?? ""}
        onChange={(event) => choose("status", event.currentTarget.value)}
        data={[{ value: "", label: "Any status" }, ...STATUSES]}
      />
      <PersonFilter value={parameters.get("person")} onChange={(id) => choose("person", id)} />
      <NativeSelect
        aria-label="Quality"
        value={parameters.get("quality") ?? ""}
        onChange={(event) => choose("quality", event.currentTarget.value)}
        data={[{ value: "", label: "Any quality" }, ...QUALITIES]}
      />
      {(["from", "to"] as const).map((end) => (
        <TextInput
          key={end}
          type="date"
          leftSection={
            <Text fz="xs" c="dimmed">
              {end}
            </Text>
          }
          leftSectionWidth={48}
          aria-label={end === "from" ? "From" : "To"}
          value={parameters.get(end) ?? ""}
          onChange={(event) => choose(end, event.currentTarget.value)}
        />
      ))}
    </search>
  );
}
