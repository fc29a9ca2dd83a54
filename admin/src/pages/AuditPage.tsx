import {
  Alert,
  Anchor,
  Button,
  Group,
  Select,
  SimpleGrid,
  Skeleton,
  Text,
  TextInput,
} from "@mantine/core";
import { IconHistory, IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { type AuditFilter, checkAudit } from "../api/client";
import { useAudit, useUsers } from "../api/queries";
import type { AuditEntry, AuditVerdict } from "../api/types";
import { ACTIONS, say } from "../auditWords";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { LoadMore } from "../components/LoadMore";
import { PageHeader } from "../components/PageHeader";
import { Rows, RowText } from "../components/Rows";
import { TimeAgo } from "../components/TimeAgo";

type Days = { from: string; to: string };

/** Who did what to whom, the newest first. */
export function AuditPage() {
  const [who, setWho] = useState<Pick<AuditFilter, "actor" | "action">>({});
  const [days, setDays] = useState<Days>({ from: "", to: "" });
  const filter = { ...who, ...momentsOf(days) };
  const users = useUsers();
  const actors = users.data?.map(({ id, username }) => ({ value: id, label: username })) ?? [];
  return (
    <>
      <PageHeader title="Audit">
        <ChainCheck />
      </PageHeader>
      <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm" mb="md" maw={860}>
        <Select
          label="Who"
          placeholder="Anybody"
          data={[...actors, { value: "nobody", label: "Not signed in" }]}
          value={who.actor ?? null}
          onChange={(actor) => setWho({ ...who, actor: actor ?? undefined })}
          clearable
          searchable
        />
        <Select
          label="What"
          placeholder="Anything"
          data={ACTIONS}
          value={who.action ?? null}
          onChange={(action) => setWho({ ...who, action: action ?? undefined })}
          clearable
          searchable
        />
        <TextInput
          type="date"
          label="From"
          value={days.from}
          onChange={(event) => setDays({ ...days, from: event.currentTarget.value })}
        />
        <TextInput
          type="date"
          label="To"
          value={days.to}
          onChange={(event) => setDays({ ...days, to: event.currentTarget.value })}
        />
      </SimpleGrid>
      <Entries filter={filter} />
    </>
  );
}

/** From the first day's beginning to the last day's end, where the browser is. */
function momentsOf({ from, to }: Days): Pick<AuditFilter, "from" | "to"> {
  const end = to ? new Date(`${to}T00:00`) : undefined;
  end?.setDate(end.getDate() + 1);
  return {
    from: from ? new Date(`${from}T00:00`).toISOString() : undefined,
    to: end?.toISOString(),
  };
}

function Entries({ filter }: { filter: AuditFilter }) {
  const entries = useAudit(filter);
  if (entries.isPending) return <Skeleton height={320} role="progressbar" aria-label="Loading" />;
  if (!entries.data) return <Failure error={entries.error} retry={entries.refetch} />;
  if (entries.data.length === 0) {
    return (
      <EmptyState icon={IconHistory} title="Nothing here">
        Nobody did such a thing in that time.
      </EmptyState>
    );
  }
  return (
    <>
      <Rows label="Audit">
        {entries.data.map((entry) => (
          <EntryRow key={entry.id} entry={entry} />
        ))}
      </Rows>
      <LoadMore list={entries} label="Show older entries" />
    </>
  );
}

function EntryRow({ entry }: { entry: AuditEntry }) {
  const { did, subject, more, to } = say(entry);
  return (
    <li>
      <RowText>
        <b>{entry.actor === "nobody" ? "Somebody" : entry.actor}</b>{" "}
        {subject ? did : <MaybeLink to={to}>{did}</MaybeLink>}{" "}
        {subject && (
          <MaybeLink to={to}>
            <b>{subject === "unknown" ? "nobody whom Usher knows" : subject}</b>
          </MaybeLink>
        )}
        {more && (
          <Text span c="dimmed" fz="sm">
            {" "}
            ({more.replaceAll(",", ", ").replaceAll("_", " ")})
          </Text>
        )}
        <Text c="dimmed" fz="xs">
          {entry.number && `${entry.number} · `}
          <TimeAgo at={entry.at} />
        </Text>
      </RowText>
    </li>
  );
}

function MaybeLink({ to, children }: { to: string | undefined; children: ReactNode }) {
  if (!to) return children;
  return (
    <Anchor component={Link} to={to} inherit underline="always">
      {children}
    </Anchor>
  );
}

/** Reckons the seals anew when asked to. */
function ChainCheck() {
  const check = useMutation({ mutationFn: checkAudit });
  return (
    <Group gap="sm">
      {check.data && <Verdict verdict={check.data} />}
      <Button
        variant="default"
        leftSection={<IconShieldCheck size={18} aria-hidden />}
        loading={check.isPending}
        onClick={() => check.mutate()}
      >
        Check for changes
      </Button>
    </Group>
  );
}

function Verdict({ verdict: { intact, entries, broken_at } }: { verdict: AuditVerdict }) {
  const Icon = intact ? IconShieldCheck : IconShieldX;
  return (
    <Alert
      role="status"
      color={intact ? "green" : "red"}
      icon={<Icon aria-hidden />}
      py="xs"
      title={
        intact
          ? `All ${entries} entries are as they were written.`
          : `Entry ${broken_at} was changed or taken out.`
      }
    />
  );
}
