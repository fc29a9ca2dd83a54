import { Badge, SegmentedControl, Skeleton, Stack, Text } from "@mantine/core";
import { IconBell } from "@tabler/icons-react";
import { Link, useSearchParams } from "react-router";
import { detectionImage } from "../api/client";
import { useAlerts } from "../api/queries";
import type { Alert, AlertStatus } from "../api/types";
import { useDetectionLink } from "../components/DetectionDrawer";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { LoadMore } from "../components/LoadMore";
import { PageHeader } from "../components/PageHeader";
import { TimeAgo } from "../components/TimeAgo";
import { count } from "../format";
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
      <ul className={styles.list} aria-label="Alerts">
        {alerts.data.map((alert) => (
          <li key={alert.id}>
            <AlertRow alert={alert} />
          </li>
        ))}
      </ul>
      <LoadMore list={alerts} label="Load older" />
    </>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const linkTo = useDetectionLink();
  const { label, color } = STATUSES[alert.status];
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
        </Text>
        <Text fz="sm" c="dimmed">
          {alert.camera.name} · <TimeAgo at={alert.captured_at} />
        </Text>
        {alert.reason && alert.status !== "sent" && (
          <Text fz="sm" c="red">
            {alert.reason}
          </Text>
        )}
      </Stack>
      <div className={styles.status}>
        <Badge variant="light" color={color}>
          {label}
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
