import { Alert, Code, List, Progress, Skeleton, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useSystem } from "../api/queries";
import type { System } from "../api/types";
import { Failure } from "../components/Failure";
import { Figures } from "../components/Figures";
import { PageHeader } from "../components/PageHeader";
import { bytes, lasted, listed } from "../format";

const LITTLE_ROOM = 0.1;
const WORDS: Record<string, string> = {
  detections: "Detections",
  persons: "Persons",
  faces: "Reference faces",
  visits: "Visits",
  alerts: "Alerts",
  identity_changes: "Changes of who is who",
  audit: "Audit entries",
};

/** How the system does: what waits, who works, what is kept. */
export function SystemPage() {
  const system = useSystem();
  return (
    <>
      <PageHeader title="System" />
      {system.isPending && <Skeleton height={320} role="progressbar" aria-label="Loading" />}
      {system.isError && !system.data && <Failure error={system.error} retry={system.refetch} />}
      {system.data && <Findings system={system.data} />}
    </>
  );
}

function Findings({ system }: { system: System }) {
  const { database, disk } = system;
  const used = 1 - disk.free_bytes / disk.total_bytes;
  return (
    <Stack gap="xl" maw="46rem">
      {system.classifier == null && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="No classifier runs">
          Faces are kept and wait until one does: start <Code>usher classify</Code>.
        </Alert>
      )}
      {!system.workers.some(({ kind }) => kind === "notifier") && (
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="No notifier runs">
          Alerts are in the panel alone, and wait to be sent until one does: start{" "}
          <Code>usher notify</Code>.
        </Alert>
      )}
      <section>
        <Title order={2}>Work</Title>
        <Figures
          label="Work"
          figures={{
            "Faces to identify": system.queue,
            "Alerts to send": system.alerts_unsent,
          }}
        />
        <Text fz="sm" mt="xs">
          {system.oldest_pending_s == null
            ? "Nothing waits."
            : `The oldest face has waited for ${lasted(system.oldest_pending_s)}.`}
          {system.classifier &&
            ` The classifier that says who is who runs on ${system.classifier}.`}
        </Text>
        <List fz="sm" mt="xs" aria-label="Who works">
          {system.workers.map(({ kind, name, channels }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: several may be called the same
            <List.Item key={place}>
              {kind === "classifier"
                ? `A classifier on ${name}`
                : `The notifier “${name}”, which sends by ${listed(channels) || "nothing"}`}
            </List.Item>
          ))}
        </List>
      </section>
      <section>
        <Title order={2}>Room</Title>
        <Progress
          mt="xs"
          size="lg"
          value={100 * used}
          color={1 - used < LITTLE_ROOM ? "red" : undefined}
          aria-label="Disk in use"
        />
        <Text fz="sm" mt="xs">
          {bytes(disk.free_bytes)} of {bytes(disk.total_bytes)} are free where the pictures are.
        </Text>
        {1 - used < LITTLE_ROOM && (
          <Text fz="sm" fw={600}>
            Little is left. Delete what is not needed, or give the data directory a larger disk.
          </Text>
        )}
      </section>
      <section>
        <Title order={2}>Database</Title>
        <Text fz="sm">{bytes(database.bytes)} on disk, with the indexes.</Text>
        <Table mt="xs" withRowBorders={false} layout="fixed">
          <Table.Tbody>
            {Object.entries(database.documents).map(([name, count]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" fw={500}>
                  {WORDS[name] ?? name}
                </Table.Th>
                <Table.Td ta="right">{count.toLocaleString()}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </section>
      <section>
        <Title order={2}>Versions</Title>
        <Text fz="sm">
          Usher {system.version}, MongoDB {database.version}, faces described by{" "}
          <Code>{system.model}</Code>.
        </Text>
      </section>
    </Stack>
  );
}
