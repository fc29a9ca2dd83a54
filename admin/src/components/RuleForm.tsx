import {
  Button,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { addressWords, channelsOf, isAboutAbsence, SUBJECTS } from "../alertWords";
import { createAlertRule, removeAlertRule, replaceAlertRule } from "../api/client";
import {
  useCameraName,
  useCameras,
  useChange,
  useClasses,
  useRulePreview,
  useSettings,
} from "../api/queries";
import type { AlertRule, AlertRuleBody, Subject } from "../api/types";
import { clockTime, count, listed } from "../format";
import { personName } from "../outcome";
import { Confirmation } from "./Confirmation";
import { Failure } from "./Failure";
import { HoursField } from "./HoursField";

const PREVIEW_AFTER_MS = 400;
const MANAGERS = "managers";

/** Adds a rule, or changes one; shows what it would have said of the last 24 hours. */
export function RuleForm({ rule, onDone }: { rule: AlertRule | undefined; onDone: () => void }) {
  const [draft, setDraft] = useState<AlertRuleBody>(() => startOf(rule));
  const [removing, setRemoving] = useState(false);
  const change = useChange();
  const absent = isAboutAbsence(draft);
  const set = (part: Partial<AlertRuleBody>) => setDraft((old) => ({ ...old, ...part }));

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const body = complete(draft);
    change.run(() => (rule ? replaceAlertRule(rule.id, body) : createAlertRule(body)), onDone);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Name"
          value={draft.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
          maxLength={120}
          required
          data-autofocus
        />
        <About draft={draft} set={set} />
        <Cameras chosen={draft.cameras ?? []} onChange={(cameras) => set({ cameras })} />
        <HoursField
          label={absent ? "Expected in these hours" : "Only visits that begin at"}
          hours={draft.hours ?? []}
          onChange={(hours) => set({ hours })}
          required={absent}
        />
        <Addresses
          label="Tells"
          description="An account of the chat (@ann), mail:ann@example.org, webhook:NAME, mqtt:, apprise:NAME, or “managers”: those of the camera and of the person. Nobody: it is in the panel alone."
          value={draft.to ?? []}
          onChange={(to) => set({ to })}
        />
        <HoursField
          label="Quiet hours: it comes when they end"
          hours={draft.quiet ?? []}
          onChange={(quiet) => set({ quiet })}
        />
        {!absent && (
          <NumberInput
            label="At most once in so many minutes, of one person at one camera"
            value={draft.cooldown_minutes ?? 0}
            onChange={(minutes) => set({ cooldown_minutes: Number(minutes) || 0 })}
            min={0}
            max={10_080}
            allowDecimal={false}
          />
        )}
        <NumberInput
          label="Without an answer for so many minutes, it tells others too"
          placeholder="Never"
          value={draft.escalate_after_minutes ?? ""}
          onChange={(minutes) => set({ escalate_after_minutes: Number(minutes) || null })}
          min={1}
          max={1440}
          allowDecimal={false}
        />
        {draft.escalate_after_minutes && (
          <Addresses
            label="Then tells"
            value={draft.escalate_to ?? []}
            onChange={(to) => set({ escalate_to: to })}
          />
        )}
        <Switch
          label="On"
          checked={draft.enabled !== false}
          onChange={(event) => set({ enabled: event.currentTarget.checked })}
        />
        <Preview draft={draft} />
        <Group justify="space-between">
          {rule ? (
            <Button variant="light" color="red" onClick={() => setRemoving(true)}>
              Remove
            </Button>
          ) : (
            <span />
          )}
          <Group gap="xs">
            <Button variant="default" onClick={onDone}>
              Cancel
            </Button>
            <Button type="submit" loading={change.isPending} disabled={!isComplete(draft)}>
              {rule ? "Save" : "Add"}
            </Button>
          </Group>
        </Group>
      </Stack>
      {rule && (
        <Confirmation
          opened={removing}
          title={`Remove “${rule.name}”?`}
          action="Remove"
          pending={change.isPending}
          onConfirm={() => change.run(() => removeAlertRule(rule.id), onDone)}
          onClose={() => setRemoving(false)}
        >
          It tells nobody any more. What it has told of stays.
        </Confirmation>
      )}
    </form>
  );
}

type Part = { draft: AlertRuleBody; set: (part: Partial<AlertRuleBody>) => void };

function About({ draft, set }: Part) {
  const classes = useClasses().data ?? [];
  const absent = isAboutAbsence(draft);
  return (
    <>
      <SegmentedControl
        aria-label="Tells of"
        value={absent ? "absent" : "visits"}
        onChange={(value) => set({ about: value === "absent" ? ["absent"] : ["stranger"] })}
        data={[
          { value: "visits", label: "Who comes" },
          { value: "absent", label: "Who does not come" },
        ]}
      />
      {!absent && (
        <Checkbox.Group
          label="About"
          value={draft.about ?? []}
          onChange={(about) => set({ about: about as Subject[] })}
        >
          <Stack gap="xs" mt={4}>
            {SUBJECTS.map(({ value, label }) => (
              <Checkbox key={value} value={value} label={label} />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <TagsInput
        label={absent ? "Of these classes" : "And everybody of these classes"}
        description={
          absent
            ? "None: everybody known who was seen before. A person's class is set on their page."
            : "Such as barred or vip: a person's class is set on their page."
        }
        data={classes}
        value={draft.classes ?? []}
        onChange={(chosen) => set({ classes: chosen })}
        acceptValueOnBlur
      />
    </>
  );
}

function Cameras({
  chosen,
  onChange,
}: {
  chosen: string[];
  onChange: (cameras: string[]) => void;
}) {
  const cameras = useCameras().data ?? [];
  const names = new Map(cameras.map(({ id, name }) => [id, name]));
  const ids = [...new Set([...names.keys(), ...chosen])];
  return (
    <MultiSelect
      label="At"
      placeholder={chosen.length === 0 ? "All cameras" : undefined}
      data={ids.map((id) => ({ value: id, label: names.get(id) ?? id }))}
      value={chosen}
      onChange={onChange}
    />
  );
}

function Addresses({
  label,
  description,
  value,
  onChange,
}: {
  label: string;
  description?: string;
  value: string[];
  onChange: (to: string[]) => void;
}) {
  const ways = useSettings().data?.channels;
  const missing = ways ? channelsOf(value).filter((channel) => !ways.includes(channel)) : [];
  return (
    <div>
      <TagsInput
        label={label}
        description={description}
        data={[MANAGERS]}
        value={value}
        onChange={onChange}
        maxTags={50}
        acceptValueOnBlur
      />
      {missing.length > 0 && (
        <Text fz="xs" mt={4} role="status">
          Nothing is sent by {listed(missing)} now: it is not set up, or its notifier does not run.
        </Text>
      )}
    </div>
  );
}

/** What the rule would have said, as people are called now. */
function Preview({ draft }: { draft: AlertRuleBody }) {
  const cameraName = useCameraName();
  const [settled] = useDebouncedValue(draft, PREVIEW_AFTER_MS);
  const preview = useRulePreview(isComplete(settled) ? complete(settled) : null);
  if (preview.isError) return <Failure error={preview.error} retry={preview.refetch} />;
  if (!preview.data) return null;
  const { visits, alerts, messages, examples } = preview.data;
  return (
    <section aria-label="What it would have sent" aria-live="polite">
      <Text fz="sm" fw={600}>
        In the last 24 hours this would have been {count(alerts, "alert")}
        {!isAboutAbsence(settled) && ` of ${count(visits, "visit")}`}, in{" "}
        {count(messages, "message")}.
      </Text>
      {examples.slice(0, 5).map(({ person, camera_id, captured_at, to }) => (
        <Text key={`${person.id} ${captured_at}`} fz="xs" c="dimmed">
          {clockTime(captured_at)} {personName(person)}{" "}
          {isAboutAbsence(settled) ? "had not come" : `at ${cameraName(camera_id)}`}
          {to.length > 0 && `: ${listed(to.map(addressWords))}`}
        </Text>
      ))}
    </section>
  );
}

function startOf(rule: AlertRule | undefined): AlertRuleBody {
  if (!rule) return { name: "", about: ["stranger"], to: [MANAGERS] };
  const { id: _, ...body } = rule;
  return body;
}

/** Hours are of this browser's time zone, where they are new. */
function complete(draft: AlertRuleBody): AlertRuleBody {
  const timed = Boolean(draft.hours?.length || draft.quiet?.length);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = timed && (!draft.zone || draft.zone === "UTC") ? here : draft.zone;
  const escalates = Boolean(draft.escalate_after_minutes);
  return {
    ...draft,
    ...(zone && { zone }),
    escalate_to: escalates ? draft.escalate_to : [],
  };
}

function isComplete(draft: AlertRuleBody): boolean {
  const aboutSomebody = isAboutAbsence(draft)
    ? Boolean(draft.hours?.length)
    : Boolean(draft.about?.length || draft.classes?.length);
  const days = [...(draft.hours ?? []), ...(draft.quiet ?? [])].every(({ days }) => days?.length);
  const escalation = !draft.escalate_after_minutes || Boolean(draft.escalate_to?.length);
  return draft.name.trim() !== "" && aboutSomebody && days && escalation;
}
