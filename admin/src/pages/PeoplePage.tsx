import {
  Button,
  Group,
  NativeSelect,
  Skeleton,
  Stack,
  Tabs,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { IconSearch, IconUserPlus, IconUsers } from "@tabler/icons-react";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { createPerson, type PersonFilter } from "../api/client";
import { useChange, useClasses, usePersons } from "../api/queries";
import type { Person, PersonCreate, PersonKind } from "../api/types";
import { CardGrid } from "../components/CardGrid";
import { Dialog } from "../components/Dialog";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { ForManagers } from "../components/ForRoles";
import { LoadMore } from "../components/LoadMore";
import { NamesakeQuestion, useNamesake } from "../components/Namesake";
import { PageHeader } from "../components/PageHeader";
import { Portrait } from "../components/Portrait";
import { TimeAgo } from "../components/TimeAgo";
import { count } from "../format";
import { personName } from "../outcome";
import styles from "./PeoplePage.module.css";

const CARD_WIDTH_PX = 158;

const KINDS: { kind: PersonKind; label: string; empty: string }[] = [
  {
    kind: "known",
    label: "Known",
    empty: "Add the people who belong here, or name a stranger: either makes them known.",
  },
  {
    kind: "unknown",
    label: "Strangers",
    empty: "Everyone who was seen is known by name, or nobody was seen yet.",
  },
  {
    kind: "ignored",
    label: "Ignored",
    empty: "Ignore a stranger, such as the postman, and no alert is sent about them again.",
  },
];

/** Everyone whom Usher has met or was told about. */
export function PeoplePage() {
  const [parameters, setParameters] = useSearchParams();
  const [adding, { open, close }] = useDisclosure(parameters.has("add"));
  const kind = KINDS.find((entry) => entry.kind === parameters.get("kind"))?.kind ?? "known";
  const label = parameters.get("class") ?? "";
  const classes = useClasses().data ?? [];
  const [text, setText] = useState(parameters.get("q") ?? "");
  const [q] = useDebouncedValue(text.trim(), 200);

  useEffect(() => {
    setParameters(
      (current) => {
        if (q) current.set("q", q);
        else current.delete("q");
        return current;
      },
      { replace: true },
    );
  }, [q, setParameters]);

  function chooseClass(chosen: string) {
    setParameters((current) => {
      if (chosen) current.set("class", chosen);
      else current.delete("class");
      return current;
    });
  }

  return (
    <>
      <PageHeader title="People">
        <ForManagers>
          <Button leftSection={<IconUserPlus size={18} aria-hidden />} onClick={open}>
            Add person
          </Button>
        </ForManagers>
      </PageHeader>
      <Tabs
        value={kind}
        onChange={(chosen) =>
          setParameters({
            kind: chosen ?? "known",
            ...(q && { q }),
            ...(label && { class: label }),
          })
        }
      >
        <Group justify="space-between" align="end" gap="sm" mb="md">
          <Tabs.List>
            {KINDS.map((entry) => (
              <Tabs.Tab key={entry.kind} value={entry.kind}>
                {entry.label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {(classes.length > 0 || label) && (
            <NativeSelect
              aria-label="Class"
              value={label}
              onChange={(event) => chooseClass(event.currentTarget.value)}
              data={[{ value: "", label: "Any class" }, ...classes]}
            />
          )}
          <TextInput
            className={styles.search}
            type="search"
            aria-label="Search by name or ID"
            placeholder="Search by name or ID"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        </Group>
        {KINDS.map((entry) => (
          <Tabs.Panel key={entry.kind} value={entry.kind}>
            {entry.kind === kind && (
              <Persons
                filter={{ kind, q, ...(label && { class: label }) }}
                empty={
                  q ? `Nobody is called “${q}”.` : label ? "Nobody of this class." : entry.empty
                }
                first={kind === "known" && !q && !label && <FirstPerson onAdd={open} />}
              />
            )}
          </Tabs.Panel>
        ))}
      </Tabs>
      <AddPerson opened={adding} onClose={close} />
    </>
  );
}

/** Two ways to the first person. */
function FirstPerson({ onAdd }: { onAdd: () => void }) {
  return (
    <ForManagers>
      <Group justify="center" gap="xs" mt="md">
        <Button onClick={onAdd}>Add the first person</Button>
        <Button component={Link} to="/live-camera" variant="default">
          Enrol at this camera
        </Button>
      </Group>
    </ForManagers>
  );
}

function Persons({
  filter,
  empty,
  first,
}: {
  filter: PersonFilter;
  empty: string;
  first: ReactNode;
}) {
  const persons = usePersons(filter);
  if (persons.isPending) {
    return (
      <CardGrid label="Loading" cardWidth={CARD_WIDTH_PX}>
        {Array.from({ length: 12 }, (_, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
          <Skeleton key={place} component="li" height={225} />
        ))}
      </CardGrid>
    );
  }
  if (!persons.data) return <Failure error={persons.error} retry={persons.refetch} />;
  if (persons.data.length === 0)
    return (
      <EmptyState icon={IconUsers} title="Nobody here">
        {empty}
        {first}
      </EmptyState>
    );
  return (
    <>
      <CardGrid label="Persons" cardWidth={CARD_WIDTH_PX}>
        {persons.data.map((person) => (
          <li key={person.id}>
            <PersonCard person={person} />
          </li>
        ))}
      </CardGrid>
      <LoadMore list={persons} />
    </>
  );
}

function PersonCard({ person }: { person: Person }) {
  return (
    <Link className={styles.card} to={`/people/${person.id}`}>
      <Portrait person={person} size="100%" />
      <div className={styles.name} title={personName(person)}>
        {personName(person)}
      </div>
      <div className={styles.seen}>{count(person.detections, "sighting")}</div>
      <div className={styles.seen}>
        {person.last_seen_at ? (
          <>
            Seen <TimeAgo at={person.last_seen_at} />
          </>
        ) : (
          "Not seen yet"
        )}
      </div>
    </Link>
  );
}

function AddPerson({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  // Back leads to where the link to this dialog stood, and not into it again.
  const isLinkedTo = useSearchParams()[0].has("add");
  const change = useChange<Person>();

  const [asked, setAsked] = useState<{ namesake: Person; person: PersonCreate }>();
  const findNamesake = useNamesake();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const person = { name: String(form.get("name")), notes: String(form.get("notes")) };
    const namesake = await findNamesake(person.name.trim());
    if (namesake) setAsked({ namesake, person });
    else add(person);
  }

  function add(person: PersonCreate) {
    change.run(
      () => createPerson(person),
      ({ id }) => navigate(`/people/${id}`, { replace: isLinkedTo }),
    );
  }

  return (
    <Dialog opened={opened} onClose={onClose} title="Add person">
      <form onSubmit={submit}>
        <Stack>
          <TextInput name="name" label="Name" maxLength={120} required data-autofocus />
          <Textarea
            name="notes"
            label="Notes"
            description="For whoever reads this later. Never used to recognise anybody."
            maxLength={4000}
            autosize
            minRows={2}
          />
          {asked && (
            <NamesakeQuestion
              namesake={asked.namesake}
              pending={change.isPending}
              same="Open them"
              onSame={() => navigate(`/people/${asked.namesake.id}`)}
              onOther={() => add(asked.person)}
            />
          )}
          <Text fz="sm" c="dimmed">
            Photographs come next.
          </Text>
          <Group justify="end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={change.isPending}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
