import {
  Autocomplete,
  Badge,
  Button,
  Group,
  Paper,
  Skeleton,
  Stack,
  Tabs,
  TagsInput,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import {
  IconArrowMerge,
  IconDownload,
  IconEye,
  IconEyeOff,
  IconPencil,
  IconTrash,
} from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { deletePerson, personExport, stopIgnoring, updatePerson } from "../api/client";
import { useChange, useClasses, useHasAllCameras, usePerson } from "../api/queries";
import type { DeletionReceipt, Person, PersonKind } from "../api/types";
import { Confirmation } from "../components/Confirmation";
import { Dialog } from "../components/Dialog";
import { Failure } from "../components/Failure";
import { ForManagers } from "../components/ForRoles";
import { History } from "../components/History";
import { MergeDialog } from "../components/MergeDialog";
import { PageHeader } from "../components/PageHeader";
import { PersonDetections } from "../components/PersonDetections";
import { PersonVisits } from "../components/PersonVisits";
import { Photographs } from "../components/Photographs";
import { Portrait } from "../components/Portrait";
import { TimeAgo } from "../components/TimeAgo";
import { useIdentityChange } from "../components/Undo";
import { clockTime, count, isoDay, listed, midnight, shortDate, startOfDay } from "../format";
import { personName } from "../outcome";
import styles from "./PersonPage.module.css";

export function PersonPage() {
  const { id } = useParams();
  const person = usePerson(id);
  if (person.isPending) return <Skeleton height={150} role="progressbar" aria-label="Loading" />;
  if (!person.data) return <Failure error={person.error} retry={person.refetch} />;
  return <PersonDetails key={id} person={person.data} />;
}

function PersonDetails({ person }: { person: Person }) {
  return (
    <Stack gap="lg">
      <div className={styles.head}>
        <div className={styles.portrait}>
          <Portrait person={person} size="100%" />
        </div>
        <div className={styles.about}>
          <Summary person={person} />
        </div>
        <ForManagers>
          <Actions person={person} />
        </ForManagers>
      </div>
      {person.kind === "unknown" && (
        <ForManagers>
          <NameForm person={person} />
        </ForManagers>
      )}
      <section aria-label="Photographs">
        <Title order={2} mb="xs">
          Photographs
        </Title>
        <Photographs person={person} />
      </section>
      <Tabs defaultValue="detections" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="detections">Detections</Tabs.Tab>
          <Tabs.Tab value="visits">Visits</Tabs.Tab>
          <Tabs.Tab value="history">History</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="detections">
          <PersonDetections person={person} />
        </Tabs.Panel>
        <Tabs.Panel value="visits">
          <PersonVisits
            personId={person.id}
            empty={
              <Text c="dimmed" fz="sm">
                No camera has seen {personName(person)} yet.
              </Text>
            }
          />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <History personId={person.id} empty="Nobody has changed anything about who this is." />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

const BADGES: Record<PersonKind, { label: string; color: string }> = {
  known: { label: "Known", color: "pine" },
  unknown: { label: "Stranger", color: "amber" },
  ignored: { label: "Ignored", color: "gray" },
};

function Summary({ person }: { person: Person }) {
  const badge = BADGES[person.kind];
  return (
    <>
      <PageHeader title={personName(person)} />
      <Group gap="sm" fz="sm" c="dimmed">
        <Badge variant="light" color={badge.color}>
          {badge.label}
        </Badge>
        {person.class && (
          <Badge variant="outline" color="gray">
            {person.class}
          </Badge>
        )}
        {person.valid_now === false && (
          <Badge variant="light" color="red">
            Not valid now
          </Badge>
        )}
        <span>{count(person.detections, "sighting")}</span>
        {person.last_seen_at && (
          <span>
            last seen <TimeAgo at={person.last_seen_at} />
          </span>
        )}
      </Group>
      <Text fz="sm" c="dimmed">
        {validity(person)}
      </Text>
      {person.managers && person.managers.length > 0 && (
        <Text fz="sm" c="dimmed">
          Managers: {listed(person.managers)}
        </Text>
      )}
      <Snooze person={person} />
      {person.notes && <Text className={styles.notes}>{person.notes}</Text>}
    </>
  );
}

/** Until when nobody is told of them, with a button that ends it. */
function Snooze({ person: { id, snoozed_until: until } }: { person: Person }) {
  const change = useChange();
  if (!until || Date.parse(until) <= Date.now()) return null;

  function end() {
    change.run(
      () => updatePerson(id, { snoozed_until: null }),
      () => notifications.show({ message: "Not snoozed any more: alerts come again." }),
    );
  }

  return (
    <Group gap="xs" fz="sm" c="dimmed">
      <span>
        Snoozed until {shortDate(until)}, {clockTime(until)}
      </span>
      <ForManagers>
        <Button size="compact-xs" variant="default" loading={change.isPending} onClick={end}>
          End it
        </Button>
      </ForManagers>
    </Group>
  );
}

/** "Valid from 1 Jan 2026 until 31 Jan 2026"; nothing where there is no bound. */
function validity({ valid_from: since, valid_until: until }: Person): string | undefined {
  const parts = [
    since && `from ${shortDate(since)}`,
    until && `until ${shortDate(lastDayOf(until).toISOString())}`,
  ].filter(Boolean);
  return parts.length > 0 ? `Valid ${parts.join(" ")}` : undefined;
}

/** The last day that an exclusive end leaves. */
function lastDayOf(until: string): Date {
  return new Date(Date.parse(until) - 1);
}

function Actions({ person }: { person: Person }) {
  const change = useIdentityChange();
  const [editing, edit] = useDisclosure();
  const [merging, merge] = useDisclosure();
  const [deleting, remove] = useDisclosure();
  const ignored = person.kind === "ignored";
  const mayExport = useHasAllCameras();

  function toggleIgnored() {
    change.run(
      () => (ignored ? stopIgnoring(person) : updatePerson(person.id, { kind: "ignored" })),
      { done: ignored ? "No longer ignored." : "Ignored from now on.", personId: person.id },
    );
  }

  return (
    <Group gap="xs" className={styles.actions}>
      <Button
        variant="default"
        size="xs"
        leftSection={<IconPencil size={15} aria-hidden />}
        onClick={edit.open}
      >
        Edit
      </Button>
      <Button
        variant="default"
        size="xs"
        leftSection={<IconArrowMerge size={15} aria-hidden />}
        onClick={merge.open}
      >
        Merge
      </Button>
      <Button
        variant="default"
        size="xs"
        leftSection={
          ignored ? <IconEye size={15} aria-hidden /> : <IconEyeOff size={15} aria-hidden />
        }
        loading={change.isPending}
        onClick={toggleIgnored}
      >
        {ignored ? "Stop ignoring" : "Ignore"}
      </Button>
      {mayExport && (
        <Button
          component="a"
          href={personExport(person.id)}
          download
          variant="default"
          size="xs"
          leftSection={<IconDownload size={15} aria-hidden />}
        >
          Export
        </Button>
      )}
      <Button
        variant="default"
        size="xs"
        c="red"
        leftSection={<IconTrash size={15} aria-hidden />}
        onClick={remove.open}
      >
        Delete
      </Button>
      <EditDialog person={person} opened={editing} onClose={edit.close} />
      <MergeDialog person={person} opened={merging} onClose={merge.close} />
      <DeleteDialog person={person} opened={deleting} onClose={remove.close} />
    </Group>
  );
}

type DialogProps = { person: Person; opened: boolean; onClose: () => void };

function EditDialog({ person, opened, onClose }: DialogProps) {
  const change = useIdentityChange();
  const classes = useClasses();
  const hasAllCameras = useHasAllCameras();
  const [managers, setManagers] = useState(person.managers ?? []);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = String(form.get("name")).trim();
    const since = String(form.get("valid_from"));
    const until = String(form.get("valid_until"));
    const details = {
      notes: String(form.get("notes")),
      class: String(form.get("class")).trim() || null,
      valid_from: since ? startOfDay(since).toISOString() : null,
      valid_until: until ? midnight(startOfDay(until), 1).toISOString() : null,
      ...(hasAllCameras && { managers }),
    };
    // A name makes known, except whom one ignores.
    const kind = person.kind === "ignored" ? "ignored" : "known";
    change.run(() => updatePerson(person.id, name ? { name, kind, ...details } : details), {
      done: "Saved.",
      personId: person.id,
      onDone: onClose,
    });
  }

  return (
    <Dialog opened={opened} onClose={onClose} title={`Edit ${personName(person)}`}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            name="name"
            label="Name"
            defaultValue={person.name ?? ""}
            maxLength={120}
            required={person.name !== null}
            data-autofocus
          />
          <Autocomplete
            name="class"
            label="Class"
            description="Such as staff, visitor or barred: to filter by."
            data={classes.data ?? []}
            defaultValue={person.class ?? ""}
            maxLength={40}
          />
          <Group grow gap="xs">
            <TextInput
              type="date"
              name="valid_from"
              label="Valid from"
              defaultValue={person.valid_from ? isoDay(new Date(person.valid_from)) : ""}
            />
            <TextInput
              type="date"
              name="valid_until"
              label="Valid until"
              defaultValue={person.valid_until ? isoDay(lastDayOf(person.valid_until)) : ""}
            />
          </Group>
          <Text fz="xs" c="dimmed">
            Outside these days the panel shows "Not valid now", and alert rules about people whose
            time here is over tell of them.
          </Text>
          {hasAllCameras && (
            <TagsInput
              label="Managers"
              description="Who hears of this person from every camera, beside the camera's own managers: accounts of the chat (@ann), or mail:ann@example.org."
              value={managers}
              onChange={setManagers}
              maxTags={50}
            />
          )}
          <Textarea
            name="notes"
            label="Notes"
            defaultValue={person.notes}
            maxLength={4000}
            autosize
            minRows={3}
          />
          <Group justify="end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={change.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ person, opened, onClose }: DialogProps) {
  const navigate = useNavigate();
  const change = useChange<DeletionReceipt>();
  const name = personName(person);

  function confirm() {
    change.run(
      () => deletePerson(person.id),
      (receipt) => {
        notifications.show({ title: `${name} is deleted`, message: `Gone: ${contents(receipt)}.` });
        navigate("/people", { replace: true });
      },
    );
  }

  return (
    <Confirmation
      opened={opened}
      title={`Delete ${name}?`}
      action="Delete for good"
      pending={change.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <Text>This removes all that Usher has about {name}, and cannot be taken back:</Text>
      <ul>
        <li>the name and the notes</li>
        <li>{count(person.faces, "photograph")} that new faces are compared with</li>
        <li>{count(person.detections, "sighting")}, with their pictures</li>
        <li>their visits and the alerts about them</li>
      </ul>
      <Text fz="sm" c="dimmed">
        Seen again, they will be a new stranger.
      </Text>
    </Confirmation>
  );
}

function contents({ faces, detections, crops, visits, alerts }: DeletionReceipt): string {
  return listed([
    count(faces, "photograph"),
    count(detections, "sighting"),
    count(crops, "picture"),
    count(visits, "visit"),
    count(alerts, "alert"),
  ]);
}

function NameForm({ person }: { person: Person }) {
  const change = useIdentityChange();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    change.run(() => updatePerson(person.id, { name }), {
      done: `Usher knows ${name} now.`,
      personId: person.id,
    });
  }

  return (
    <Paper withBorder p="md" bd="1px solid var(--usher-stranger-line)" maw={560}>
      <form onSubmit={submit}>
        <Group align="end" gap="xs" wrap="nowrap">
          <TextInput
            flex={1}
            name="name"
            label="Who is this?"
            placeholder="Name"
            maxLength={120}
            required
          />
          <Button type="submit" loading={change.isPending}>
            Save name
          </Button>
        </Group>
      </form>
      <Text fz="xs" c="dimmed" mt="xs">
        Somebody Usher knows already? Merge the two.
      </Text>
    </Paper>
  );
}
