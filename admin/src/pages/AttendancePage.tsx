import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  NativeSelect,
  SegmentedControl,
  Skeleton,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { IconCalendarOff, IconChevronLeft, IconChevronRight, IconTable } from "@tabler/icons-react";
import { Link, useSearchParams } from "react-router";
import { type AttendanceFilter, attendanceTable } from "../api/client";
import { useAttendance, useClasses } from "../api/queries";
import type { PersonBrief, Presence } from "../api/types";
import { CameraFilter } from "../components/CameraFilter";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { clockTime, count, dayName, isoDay, lasted, midnight, startOfDay } from "../format";
import { personName } from "../outcome";
import styles from "./AttendancePage.module.css";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const DAYS_OF_A_WEEK = 7;

type Span = "day" | "week";

/** When everybody known was first and last seen, on a day or over a week. */
export function AttendancePage() {
  const [parameters, setParameters] = useSearchParams();
  const span: Span = parameters.get("span") === "week" ? "week" : "day";
  const day = dayOf(parameters.get("day"));
  const days = daysOf(span, day);
  const filter: AttendanceFilter = {
    from: days[0] ?? day,
    to: days.at(-1) ?? day,
    tz: ZONE,
    ...optional("camera_id", parameters.get("camera")),
    ...optional("class", parameters.get("class")),
  };

  function choose(parameter: string, value: string) {
    setParameters(
      (current) => {
        if (value) current.set(parameter, value);
        else current.delete(parameter);
        return current;
      },
      { replace: true },
    );
  }

  return (
    <>
      <PageHeader title="Attendance">
        <Button
          component="a"
          href={attendanceTable(filter)}
          download
          variant="default"
          leftSection={<IconTable size={18} aria-hidden />}
        >
          Download as CSV
        </Button>
      </PageHeader>
      <Controls span={span} day={day} parameters={parameters} choose={choose} />
      <Report span={span} days={days} filter={filter} />
    </>
  );
}

function dayOf(given: string | null): string {
  const valid = given && !Number.isNaN(startOfDay(given).getTime());
  return valid ? given : isoDay(new Date());
}

function optional<Name extends string>(name: Name, value: string | null) {
  return value ? ({ [name]: value } as Record<Name, string>) : {};
}

/** The day itself, or the week around it from Monday on. */
function daysOf(span: Span, day: string): string[] {
  const start = startOfDay(day);
  if (span === "day") return [day];
  const sinceMonday = (start.getDay() + 6) % DAYS_OF_A_WEEK;
  return Array.from({ length: DAYS_OF_A_WEEK }, (_, place) =>
    isoDay(midnight(start, place - sinceMonday)),
  );
}

function Controls({
  span,
  day,
  parameters,
  choose,
}: {
  span: Span;
  day: string;
  parameters: URLSearchParams;
  choose: (parameter: string, value: string) => void;
}) {
  const classes = useClasses();
  const step = span === "week" ? DAYS_OF_A_WEEK : 1;
  const move = (by: number) => choose("day", isoDay(midnight(startOfDay(day), by)));
  return (
    <search className={styles.controls}>
      <SegmentedControl
        aria-label="Span"
        value={span}
        onChange={(value) => choose("span", value === "week" ? "week" : "")}
        data={[
          { value: "day", label: "Day" },
          { value: "week", label: "Week" },
        ]}
      />
      <Group gap={6} align="end" wrap="nowrap">
        <ActionIcon
          variant="default"
          size={36}
          aria-label={`The ${span} before`}
          onClick={() => move(-step)}
        >
          <IconChevronLeft size={18} aria-hidden />
        </ActionIcon>
        <TextInput
          type="date"
          aria-label="Day"
          value={day}
          onChange={(event) => choose("day", event.currentTarget.value)}
        />
        <ActionIcon
          variant="default"
          size={36}
          aria-label={`The ${span} after`}
          onClick={() => move(step)}
        >
          <IconChevronRight size={18} aria-hidden />
        </ActionIcon>
      </Group>
      <NativeSelect
        className={styles.choice}
        aria-label="Class"
        value={parameters.get("class") ?? ""}
        onChange={(event) => choose("class", event.currentTarget.value)}
        data={[{ value: "", label: "Everybody known" }, ...(classes.data ?? [])]}
      />
      <CameraFilter
        className={styles.choice}
        aria-label="Camera"
        value={parameters.get("camera") ?? ""}
        onChange={(id) => choose("camera", id)}
      />
    </search>
  );
}

function Report({ span, days, filter }: { span: Span; days: string[]; filter: AttendanceFilter }) {
  const attendance = useAttendance(filter);
  if (attendance.isPending)
    return <Skeleton height={240} role="progressbar" aria-label="Loading" />;
  if (!attendance.data) return <Failure error={attendance.error} retry={attendance.refetch} />;
  const { items } = attendance.data;
  if (items.length === 0) {
    return (
      <EmptyState icon={IconCalendarOff} title="Nobody was seen">
        Only people whom Usher knows by name stand here, from the first to the last time that a
        camera saw them.
      </EmptyState>
    );
  }
  return (
    <>
      {span === "day" ? <DayTable items={items} /> : <WeekTable items={items} days={days} />}
      <Text fz="xs" c="dimmed" mt="xs">
        From the first to the last time that a camera saw somebody; time zone {ZONE}.
      </Text>
    </>
  );
}

function Name({ person }: { person: PersonBrief }) {
  return (
    <Anchor component={Link} to={`/people/${person.id}`} fw={600}>
      {personName(person)}
    </Anchor>
  );
}

function DayTable({ items }: { items: Presence[] }) {
  return (
    <Table.ScrollContainer minWidth={320}>
      <Table
        className={styles.table}
        captionSide="top"
        withTableBorder
        highlightOnHover
        verticalSpacing="sm"
      >
        <Table.Caption>{dayName(items[0]?.first_seen_at ?? "")}</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th visibleFrom="sm">Class</Table.Th>
            <Table.Th>First seen</Table.Th>
            <Table.Th>Last seen</Table.Th>
            <Table.Th>Time between</Table.Th>
            <Table.Th visibleFrom="sm">Visits</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((item) => (
            <Table.Tr key={item.person.id}>
              <Table.Th scope="row" className={styles.name}>
                <Name person={item.person} />
              </Table.Th>
              <Table.Td visibleFrom="sm">{item.class}</Table.Td>
              <Table.Td className={styles.cell}>{clockTime(item.first_seen_at)}</Table.Td>
              <Table.Td className={styles.cell}>{clockTime(item.last_seen_at)}</Table.Td>
              <Table.Td className={styles.cell}>
                {timeBetween(item)}
                <Text hiddenFrom="sm" fz="xs" c="dimmed">
                  {count(item.visits, "visit")}
                </Text>
              </Table.Td>
              <Table.Td visibleFrom="sm">{item.visits}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function timeBetween({ duration_s: seconds }: Presence): string {
  return seconds === 0 ? "seen once" : lasted(seconds);
}

function WeekTable({ items, days }: { items: Presence[]; days: string[] }) {
  const persons = new Map(items.map(({ person }) => [person.id, person]));
  const there = new Map(items.map((item) => [`${item.person.id} ${item.day}`, item]));
  const byName = [...persons.values()].sort((one, other) =>
    personName(one).localeCompare(personName(other)),
  );
  return (
    <Table.ScrollContainer minWidth={860}>
      <Table className={styles.table} withTableBorder highlightOnHover verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            {days.map((day) => (
              <Table.Th key={day}>{WEEKDAY.format(startOfDay(day))}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {byName.map((person) => (
            <Table.Tr key={person.id}>
              <Table.Th scope="row" className={styles.name}>
                <Name person={person} />
              </Table.Th>
              {days.map((day) => (
                <Table.Td key={day} className={styles.cell}>
                  <Times presence={there.get(`${person.id} ${day}`)} />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Times({ presence }: { presence: Presence | undefined }) {
  if (!presence) return null;
  return (
    <>
      {clockTime(presence.first_seen_at)}–{clockTime(presence.last_seen_at)}
      <Text fz="xs" c="dimmed">
        {timeBetween(presence)}
      </Text>
    </>
  );
}
