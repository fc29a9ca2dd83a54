import { Anchor, Button, Code, Radio, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { updateSettings } from "../api/client";
import { useChange, useIdentityStats, useMay, useSettings } from "../api/queries";
import type { OperatingSettings } from "../api/types";
import { Accuracy } from "../components/Accuracy";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { RetentionForm } from "../components/RetentionForm";
import { listed } from "../format";

const BUDGETS = [0.001, 0.005, 0.01, 0.02, 0.05];
const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

/** What an admin changes while Usher runs. */
export function SettingsPage() {
  const settings = useSettings();
  return (
    <>
      <PageHeader title="Settings" />
      {settings.isPending && <Skeleton height={240} role="progressbar" aria-label="Loading" />}
      {settings.isError && !settings.data && (
        <Failure error={settings.error} retry={settings.refetch} />
      )}
      {settings.data && (
        <Stack gap="xl" maw="46rem">
          <Budget key={settings.data.identity_budget} settings={settings.data} />
          <Accurate />
          <section aria-label="How long things are kept">
            <Title order={2}>How long things are kept</Title>
            <RetentionForm
              key={`${settings.data.strangers_kept_days} ${settings.data.known_kept_days}`}
              settings={settings.data}
            />
          </section>
          <section>
            <Title order={2}>Where alerts go</Title>
            <Text>
              Who is told about whom, where and when, is said by the{" "}
              <Anchor component={Link} to="/alerts/rules" inherit underline="always">
                rules of alerts
              </Anchor>
              ; which managers a camera has, under Cameras. The ways there (a chat, e-mail, MQTT,
              webhooks) are set up where Usher runs: <Code>usher notify --init</Code>.
            </Text>
            <Text mt="xs">
              {settings.data.channels.length > 0
                ? `Now they are sent by ${listed(settings.data.channels)}.`
                : "Now they are sent by nothing: no notifier runs."}
            </Text>
          </section>
        </Stack>
      )}
    </>
  );
}

/** The budget of false alarms, in strangers out of a thousand. */
function Budget({ settings }: { settings: OperatingSettings }) {
  const { identity_rule: rule, identity_budget: current, taken_up: takenUp } = settings;
  const [chosen, setChosen] = useState(String(current));
  const change = useChange();
  const mayChange = useMay("admin");
  const budgets = [...new Set([...BUDGETS, current])].sort((one, other) => one - other);

  if (rule === "fixed") {
    return (
      <section>
        <Title order={2}>How sure Usher must be</Title>
        <Text>
          One fixed distance decides, as <Code>USHER_IDENTITY_RULE</Code> says. Leave that out, and
          you choose here how many strangers may be taken for somebody.
        </Text>
      </section>
    );
  }
  return (
    <section aria-label="How sure Usher must be">
      <Title order={2}>How sure Usher must be</Title>
      <Radio.Group
        mt="xs"
        label="Of 1,000 strangers, how many may be called by somebody's name?"
        description="The fewer, the more often somebody whom Usher knows is not recognised, and is asked about. Usher keeps to it while more people are added."
        value={chosen}
        onChange={setChosen}
      >
        <Stack gap="xs" mt="sm">
          {budgets.map((budget) => (
            <Radio
              key={budget}
              value={String(budget)}
              disabled={!mayChange}
              label={`${NUMBER.format(budget * 1000)}${wordOf(budget)}`}
            />
          ))}
        </Stack>
      </Radio.Group>
      {mayChange && (
        <Button
          mt="md"
          disabled={chosen === String(current)}
          loading={change.isPending}
          onClick={() => change.run(() => updateSettings({ identity_budget: Number(chosen) }))}
        >
          Save
        </Button>
      )}
      <Text fz="sm" c="dimmed" mt="xs" role="status">
        {takenUp
          ? "Whoever was recognised before stays so; what is seen from now on is decided by it."
          : "Saved. Usher starts again with it, which takes some seconds."}
      </Text>
    </section>
  );
}

function wordOf(budget: number): string {
  if (budget === 0.01) return " (as installed)";
  if (budget <= 0.001) return " (very strict)";
  return budget >= 0.05 ? " (lenient)" : "";
}

/** What the budget comes to here, as far as Usher can tell. */
function Accurate() {
  const stats = useIdentityStats().data;
  if (!stats) return null;
  return (
    <section>
      <Title order={2} mb="xs">
        What that comes to here
      </Title>
      <Accuracy stats={stats} />
    </section>
  );
}
