import {
  Badge,
  Button,
  Code,
  Group,
  Alert as Notice,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
} from "@mantine/core";
import { IconBell, IconBellOff } from "@tabler/icons-react";
import { Link, useSearchParams } from "react-router";
import { addressWords, deliveryWords } from "../alertWords";
import { answerAlert, detectionImage, retryAlert } from "../api/client";
import { useAlerts, useChange } from "../api/queries";
import type { Alert, AlertStatus } from "../api/types";
import { BrowserAlerts } from "../components/BrowserAlerts";
import { useDetectionLink } from "../components/DetectionDrawer";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { ForManagers } from "../components/ForRoles";
import { LoadMore } from "../components/LoadMore";
import { PageHeader } from "../components/PageHeader";
import { TimeAgo } from "../components/TimeAgo";
import { clockTime, count, fullTime, listed } from "../format";
import { personName } from "../outcome";
import styles from "./AlertsPage.module.css";

const STATUSES: Record<AlertStatus, { label: string; color: string }> = {
  pending: { label: "Waiting", color: "gray" },
  sent: { label: "Sent", color: "pine" },
  failed: { label: "Failed", color: "red" },
};

const STRANGER_INK = "var(--usher-stranger-ink)";

/** What managers were told, and what is still to be told. */
export function AlertsPage() {
  const [parameters, setParameters] = useSearchParams();
  const status = (parameters.get("status") as AlertStatus | null) ?? undefined;
  return (
    <>
      <PageHeader title="Alerts">
        <BrowserAlerts />
        <ForManagers>
          <Button component={Link} to="/alerts/rules" variant="default">
            Rules
          </Button>
        </ForManagers>
        <SegmentedControl
          aria-label="Status"
          value={status ?? ""}
          onChange={(value) => setParameters(value ? { status: value } : {})}
          data={[
            { value: "", label: "All" },
            { value: "pending", label: STATUSES.pending.label },
            { value: "sent", label: STATUSES.sent.label },
            { value: "failed", label: STATUSES.failed.label },
          ]}
        />
      </PageHeader>
      <AlertList status={status} />
    </>
  );
}

function AlertList({ status }: { status: AlertStatus | undefined }) {
  const alerts = useAlerts({ status });
  if (alerts.isPending) return <Skeleton height={320} role="progressbar" aria-label="Loading" />;
  if (!alerts.data) return <Failure error={alerts.error} retry={alerts.refetch} />;
  if (alerts.data.length === 0) {
    return (
      <EmptyState icon={IconBell} title="No alerts">
        {status
          ? "None with this status."
          : "A manager is told once for each visit of somebody whom Usher does not know."}
      </EmptyState>
    );
  }
  return (
    <>
      {alerts.data.every(wentNowhere) && <Nowhere />}
      <ul className={styles.list} aria-label="Alerts">
        {alerts.data.map((alert) => (
          <li key={alert.id}>
            <AlertRow alert={alert} />
            <ForManagers>
              <Answers alert={alert} />
            </ForManagers>
          </li>
        ))}
      </ul>
      <LoadMore list={alerts} label="Load older" />
    </>
  );
}

function wentNowhere({ deliveries = [] }: Alert): boolean {
  const sent = deliveries.filter(({ status }) => status === "sent");
  return sent.length > 0 && sent.every(({ via }) => via === "console");
}

/** "Sent" would be half the truth. */
function Nowhere() {
  return (
    <Notice color="orange" mb="md" icon={<IconBellOff aria-hidden />} title="Nobody is told yet">
      Alerts are only printed where Usher runs. There, <Code>usher notify --init</Code> sets up a
      chat, e-mail or another way, and tries it.
    </Notice>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const linkTo = useDetectionLink();
  const { label, color } = STATUSES[alert.status];
  const printed = alert.status === "sent" && wentNowhere(alert);
  const name = alert.person ? personName(alert.person) : "Somebody";
  return (
    <Link className={styles.row} to={linkTo(alert.detection_id)}>
      <img
        className={styles.picture}
        src={detectionImage(alert.detection_id, 160)}
        alt={`${name} at ${alert.camera.name}`}
        loading="lazy"
      />
      <Stack gap={1} className={styles.what}>
        <Text fw={600} truncate c={alert.person?.kind === "unknown" ? STRANGER_INK : undefined}>
          {name}
          {alert.candidate && alert.person?.kind === "unknown" && (
            <>, perhaps {personName(alert.candidate)}</>
          )}
        </Text>
        <Text fz="sm" c="dimmed">
          {alert.absence ? (
            <Missed {...alert.absence} until={alert.captured_at} />
          ) : (
            <>
              {alert.camera.name} · <TimeAgo at={alert.captured_at} />
            </>
          )}
        </Text>
        <Told alert={alert} />
        {alert.reason && alert.status !== "sent" && (
          <Text fz="sm" c="red">
            {alert.reason}
          </Text>
        )}
      </Stack>
      <div className={styles.status}>
        <Badge variant="light" color={printed ? "gray" : color}>
          {printed ? "Printed" : label}
        </Badge>
        <Text fz="xs" c="dimmed">
          {alert.sent_at ? (
            <TimeAgo at={alert.sent_at} />
          ) : (
            Boolean(alert.attempts) && count(alert.attempts ?? 0, "attempt")
          )}
        </Text>
      </div>
    </Link>
  );
}

function Missed(props: { expected_from: string; last_seen_at: string; until: string }) {
  const { expected_from: from, last_seen_at: last, until } = props;
  return (
    <>
      Not seen from {clockTime(from)} to {clockTime(until)}, <TimeAgo at={until} />; last seen{" "}
      <TimeAgo at={last} />
    </>
  );
}

/** Whom it went to, who is still to hear of it, and what was answered. */
function Told({ alert }: { alert: Alert }) {
  const deliveries = (alert.deliveries ?? []).filter(
    ({ kind }) => kind === "alert" || kind === "escalation",
  );
  const told = deliveries.filter(({ status }) => status === "sent");
  const later = deliveries.filter(
    ({ status, not_before }) => status === "pending" && Date.parse(not_before) > Date.now(),
  );
  return (
    <>
      {told.length > 0 && (
        <Text fz="xs" c="dimmed">
          Told: {listed([...new Set(told.map(deliveryWords))])}
        </Text>
      )}
      {later.map(({ id, to, kind, not_before }) => (
        <Text key={id} fz="xs" c="dimmed">
          {addressWords(to)} {kind === "escalation" ? "without an answer" : "after quiet hours"}:{" "}
          {fullTime(not_before)}
        </Text>
      ))}
      {alert.answered_by && (
        <Text fz="sm">
          {alert.answered_by}: {alert.answer}
        </Text>
      )}
    </>
  );
}

function Answers({ alert }: { alert: Alert }) {
  const change = useChange();
  const open = !alert.answered_at && alert.person?.kind === "unknown";
  if (!open && alert.status !== "failed") return null;
  return (
    <Group gap="xs" className={styles.answers}>
      {alert.status === "failed" && (
        <Button
          size="compact-sm"
          variant="light"
          loading={change.isPending}
          onClick={() => change.run(() => retryAlert(alert.id))}
        >
          Send again
        </Button>
      )}
      {open && (
        <Button
          size="compact-sm"
          variant="subtle"
          loading={change.isPending}
          onClick={() => change.run(() => answerAlert(alert.id, "is taken care of"))}
        >
          I take care of it
        </Button>
      )}
    </Group>
  );
}
