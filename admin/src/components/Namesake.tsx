import { Alert, Button, Group } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { listPersons } from "../api/client";
import type { Person } from "../api/types";
import { personName } from "../outcome";
import { Portrait } from "./Portrait";

/** A function that finds somebody known who is called exactly that; nobody where it cannot ask. */
export function useNamesake(): (name: string) => Promise<Person | undefined> {
  const queryClient = useQueryClient();
  return async (name) => {
    const filter = { kind: "known" as const, q: name };
    const asked = { queryKey: ["persons", "namesake", name], queryFn: () => listPersons(filter) };
    const found = await queryClient.fetchQuery({ ...asked, retry: false }).catch(() => undefined);
    const wanted = name.toLocaleLowerCase();
    return found?.items.find((person) => person.name?.toLocaleLowerCase() === wanted);
  };
}

/** There is somebody of that name: one person, or two? */
export function NamesakeQuestion({
  namesake,
  pending,
  same = "The same person",
  onSame,
  onOther,
}: {
  namesake: Person;
  pending: boolean;
  same?: string;
  onSame: () => void;
  onOther: () => void;
}) {
  return (
    <Alert color="orange" title={`Usher knows ${personName(namesake)} already`}>
      <Group gap="sm">
        <Portrait person={namesake} size={56} />
        <Button size="xs" loading={pending} onClick={onSame}>
          {same}
        </Button>
        <Button size="xs" variant="default" loading={pending} onClick={onOther}>
          Another person of that name
        </Button>
      </Group>
    </Alert>
  );
}
