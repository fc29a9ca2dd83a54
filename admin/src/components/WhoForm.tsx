import { Button, Group, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Person, PersonKind } from "../api/types";
import { NamesakeQuestion, useNamesake } from "./Namesake";
import { PersonList } from "./PersonList";

/** Asks who somebody is: a new name, or a person whom Usher has already. */
export function WhoForm({
  exclude,
  pending,
  onName,
  onPick,
  focusName = false,
  children,
}: {
  exclude: string | undefined;
  pending: boolean;
  onName: (name: string) => void;
  onPick: (person: Person) => void;
  /** Whether the dialog around it opens with the cursor in the name. */
  focusName?: boolean;
  children?: ReactNode;
}) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState<PersonKind>("known");
  const [q] = useDebouncedValue(text.trim(), 200);

  const [namesake, setNamesake] = useState<Person>();
  const findNamesake = useNamesake();

  async function submit(event: FormEvent) {
    event.preventDefault();
    const name = text.trim();
    if (!name) return;
    const found = await findNamesake(name);
    if (found && found.id !== exclude) setNamesake(found);
    else onName(name);
  }

  return (
    <Stack gap="sm">
      <form onSubmit={submit}>
        <Group align="end" gap="xs" wrap="nowrap">
          <TextInput
            flex={1}
            label="Who is this?"
            placeholder="Name"
            maxLength={120}
            data-autofocus={focusName || undefined}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              setNamesake(undefined);
            }}
          />
          <Button type="submit" loading={pending} disabled={!text.trim()}>
            Save name
          </Button>
        </Group>
      </form>
      {namesake && (
        <NamesakeQuestion
          namesake={namesake}
          pending={pending}
          onSame={() => onPick(namesake)}
          onOther={() => onName(text.trim())}
        />
      )}
      {children}
      <SegmentedControl
        size="xs"
        aria-label="Choose from"
        value={kind}
        onChange={(value) => setKind(value as PersonKind)}
        data={[
          { value: "known", label: "People Usher knows" },
          { value: "unknown", label: "Other strangers" },
        ]}
      />
      <PersonList filter={{ kind, q }} exclude={exclude} onPick={onPick} disabled={pending} />
    </Stack>
  );
}
