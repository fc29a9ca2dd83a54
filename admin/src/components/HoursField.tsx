import {
  ActionIcon,
  Button,
  Chip,
  Fieldset,
  Group,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { DAYS } from "../alertWords";
import type { WeeklyHours } from "../api/types";

const EVERY_DAY = DAYS.map((_, day) => day);
const WORKDAYS = EVERY_DAY.slice(0, 5);
const NIGHT: WeeklyHours = { days: EVERY_DAY, start: "22:00", end: "06:00" };
const MORNING: WeeklyHours = { days: WORKDAYS, start: "08:00", end: "10:00" };

/** Hours of the week, several of them or none; `required` ones are at least one. */
export function HoursField({
  label,
  hours,
  onChange,
  required = false,
}: {
  label: string;
  hours: WeeklyHours[];
  onChange: (hours: WeeklyHours[]) => void;
  required?: boolean;
}) {
  const usual = required ? MORNING : NIGHT;
  const change = (at: number, changed: WeeklyHours) =>
    onChange(hours.map((one, nth) => (nth === at ? changed : one)));
  return (
    <Fieldset legend={label} variant="unstyled">
      <Stack gap="sm">
        {!required && (
          <Switch
            label={hours.length > 0 ? "Certain hours" : "None set"}
            aria-label={label}
            checked={hours.length > 0}
            onChange={(event) => onChange(event.currentTarget.checked ? [usual] : [])}
          />
        )}
        {hours.map((one, at) => (
          <Span
            // biome-ignore lint/suspicious/noArrayIndexKey: two of them may be the same
            key={at}
            hours={one}
            onChange={(changed) => change(at, changed)}
            onRemove={
              hours.length > 1 ? () => onChange(hours.filter((_, nth) => nth !== at)) : undefined
            }
          />
        ))}
        {(hours.length > 0 || required) && (
          <Button
            variant="subtle"
            size="compact-sm"
            style={{ alignSelf: "start" }}
            onClick={() => onChange([...hours, usual])}
          >
            Add hours
          </Button>
        )}
      </Stack>
    </Fieldset>
  );
}

function Span({
  hours,
  onChange,
  onRemove,
}: {
  hours: WeeklyHours;
  onChange: (hours: WeeklyHours) => void;
  onRemove: (() => void) | undefined;
}) {
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <TextInput
          type="time"
          aria-label="From"
          value={hours.start}
          onChange={(event) => onChange({ ...hours, start: event.currentTarget.value })}
          required
        />
        <Text>to</Text>
        <TextInput
          type="time"
          aria-label="Until"
          value={hours.end}
          onChange={(event) => onChange({ ...hours, end: event.currentTarget.value })}
          required
        />
        {onRemove && (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="Remove these hours"
            onClick={onRemove}
          >
            <IconTrash size={16} aria-hidden />
          </ActionIcon>
        )}
      </Group>
      <Chip.Group
        multiple
        value={(hours.days ?? EVERY_DAY).map(String)}
        onChange={(days) => onChange({ ...hours, days: days.map(Number).sort() })}
      >
        <Group gap={4}>
          {DAYS.map((name, day) => (
            <Chip key={name} value={String(day)} size="xs">
              {name}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
    </Stack>
  );
}
