import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { usePerson, usePersons } from "../api/queries";
import { personName } from "../outcome";

/** Narrows a list to one person, found by a part of the name or by the identifier. */
export function PersonFilter({
  value,
  onChange,
}: {
  value: string | null;
  onChange: (id: string) => void;
}) {
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text.trim(), 200);
  const chosen = usePerson(value ?? undefined).data;
  const found = usePersons(q && q !== (chosen && personName(chosen)) ? { q } : { kind: "known" });
  const people = new Map(found.data?.map((person) => [person.id, personName(person)]));
  if (value) people.set(value, chosen ? personName(chosen) : value);
  return (
    <Select
      aria-label="Person"
      placeholder="Anybody"
      searchable
      clearable
      clearButtonProps={{ "aria-label": "Anybody" }}
      nothingFoundMessage="Nobody of that name"
      value={value}
      onChange={(id) => onChange(id ?? "")}
      onSearchChange={setText}
      // The API has searched already, by more than the names.
      filter={({ options }) => options}
      data={[...people].map(([id, label]) => ({ value: id, label }))}
    />
  );
}
