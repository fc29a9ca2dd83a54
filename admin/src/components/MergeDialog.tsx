import {
  Button,
  Group,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowRight, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { mergePerson } from "../api/client";
import type { Person, PersonKind } from "../api/types";
import { count, listed } from "../format";
import { personName } from "../outcome";
import { Dialog } from "./Dialog";
import styles from "./MergeDialog.module.css";
import { PersonList } from "./PersonList";
import { Portrait } from "./Portrait";
import { useIdentityChange } from "./Undo";

/** Makes one person of two: first whom, then which of the two stays. */
export function MergeDialog({
  person,
  opened,
  onClose,
}: {
  person: Person;
  opened: boolean;
  onClose: () => void;
}) {
  const [other, setOther] = useState<Person>();

  function close() {
    setOther(undefined);
    onClose();
  }

  return (
    <Dialog
      opened={opened}
      onClose={close}
      title={`Merge ${personName(person)} with another person`}
    >
      {other ? (
        <Choice person={person} other={other} onBack={() => setOther(undefined)} onMerged={close} />
      ) : (
        <Search person={person} onPick={setOther} />
      )}
    </Dialog>
  );
}

function Search({ person, onPick }: { person: Person; onPick: (other: Person) => void }) {
  const [kind, setKind] = useState<PersonKind>("known");
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text.trim(), 200);
  return (
    <Stack gap="sm">
      <Text fz="sm" c="dimmed">
        Who is the same person as {personName(person)}?
      </Text>
      <SegmentedControl
        size="xs"
        aria-label="Choose from"
        value={kind}
        onChange={(value) => setKind(value as PersonKind)}
        data={[
          { value: "known", label: "Known" },
          { value: "unknown", label: "Strangers" },
          { value: "ignored", label: "Ignored" },
        ]}
      />
      <TextInput
        aria-label="Search by name or ID"
        placeholder="Search by name or ID"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        data-autofocus
      />
      <PersonList filter={{ kind, q }} exclude={person.id} onPick={onPick} />
    </Stack>
  );
}

function Choice({
  person,
  other,
  onBack,
  onMerged,
}: {
  person: Person;
  other: Person;
  onBack: () => void;
  onMerged: () => void;
}) {
  // A name outlives an identifier, whichever page the dialog was opened on.
  const [stays, setStays] = useState(person.name || !other.name ? person : other);
  const goes = stays === person ? other : person;
  const navigate = useNavigate();
  const change = useIdentityChange();

  function merge() {
    change.run(() => mergePerson(stays.id, goes.id), {
      done: `${personName(goes)} is part of ${personName(stays)} now.`,
      personId: stays.id,
      onDone: () => {
        onMerged();
        navigate(`/people/${stays.id}`, { replace: true });
      },
    });
  }

  return (
    <Stack gap="md">
      <div className={styles.pair}>
        <Side person={goes} />
        <IconArrowRight aria-label="into" />
        <Side person={stays} />
      </div>
      <Text fz="sm">
        {listed([count(goes.detections, "sighting"), count(goes.faces, "photograph")])} of{" "}
        <b>{personName(goes)}</b> will belong to <b>{personName(stays)}</b>, who keeps the name and
        the notes. <b>{personName(goes)}</b> will no longer be in the list.
      </Text>
      <UnstyledButton className={styles.swap} onClick={() => setStays(goes)}>
        Keep {personName(goes)} instead
      </UnstyledButton>
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={onBack}>
          Back
        </Button>
        <Button loading={change.isPending} onClick={merge}>
          Merge into {personName(stays)}
        </Button>
      </Group>
    </Stack>
  );
}

function Side({ person }: { person: Person }) {
  return (
    <Stack align="center" gap={6} miw={0}>
      <Portrait person={person} size={112} />
      <Text fz="sm" fw={600} ta="center" maw="100%" truncate>
        {personName(person)}
      </Text>
    </Stack>
  );
}
