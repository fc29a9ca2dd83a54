import { Box, ScrollArea, Stack, Text, UnstyledButton } from "@mantine/core";
import type { PersonFilter } from "../api/client";
import { usePersons } from "../api/queries";
import type { Person } from "../api/types";
import { count } from "../format";
import { personName } from "../outcome";
import { Failure } from "./Failure";
import { LoadMore } from "./LoadMore";
import styles from "./PersonList.module.css";
import { Portrait } from "./Portrait";

/** Persons with their pictures, to choose one from. */
export function PersonList({
  filter,
  exclude,
  onPick,
  disabled = false,
}: {
  filter: PersonFilter;
  exclude: string | undefined;
  onPick: (person: Person) => void;
  disabled?: boolean;
}) {
  const persons = usePersons(filter);
  const choices = persons.data?.filter((person) => person.id !== exclude);

  if (persons.isError) return <Failure error={persons.error} retry={persons.refetch} />;
  if (choices?.length === 0) {
    return (
      <Text fz="sm" c="dimmed">
        {filter.q ? `Nobody called “${filter.q}” here.` : "Nobody here yet."}
      </Text>
    );
  }
  return (
    <ScrollArea.Autosize mah={260} type="auto" offsetScrollbars>
      <Stack gap={2}>
        {choices?.map((person) => (
          <UnstyledButton
            key={person.id}
            className={styles.choice}
            disabled={disabled}
            onClick={() => onPick(person)}
          >
            <Portrait person={person} size={40} />
            <Box miw={0}>
              <Text fz="sm" fw={500} truncate>
                {personName(person)}
              </Text>
              <Text fz="xs" c="dimmed">
                {count(person.detections, "sighting")}
              </Text>
            </Box>
          </UnstyledButton>
        ))}
      </Stack>
      <LoadMore list={persons} />
    </ScrollArea.Autosize>
  );
}
