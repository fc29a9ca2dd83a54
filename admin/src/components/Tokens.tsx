import { Badge, Button, Group, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { createToken, removeToken } from "../api/client";
import { useCameraName, useChange, useTokens } from "../api/queries";
import type { Token, TokenCreated } from "../api/types";
import { fullTime } from "../format";
import { roleWord, scopeWords } from "../userWords";
import { Confirmation } from "./Confirmation";
import { Copyable } from "./Copyable";
import { Dialog } from "./Dialog";
import { Failure } from "./Failure";
import { Rows, RowText } from "./Rows";
import { type Access, ScopeFields } from "./ScopeFields";
import { TimeAgo } from "./TimeAgo";

const DAY_MS = 86_400_000;
const LASTING = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "A year" },
  { value: "", label: "Until it is revoked" },
];

/** Keys for programs: who made them, what they may, and until when. */
export function Tokens() {
  const tokens = useTokens();
  const change = useChange();
  const [creating, { open, close }] = useDisclosure();
  const [removing, setRemoving] = useState<Token>();

  function remove(token: Token) {
    change.run(
      () => removeToken(token.id),
      () => setRemoving(undefined),
    );
  }

  if (tokens.isPending) return <Skeleton height={80} role="progressbar" aria-label="Loading" />;
  if (!tokens.data) return <Failure error={tokens.error} retry={tokens.refetch} />;
  return (
    <>
      <Group justify="space-between" mb="sm">
        <Text c="dimmed" fz="sm" maw="40rem">
          For programs that use the API. A token may no more than whoever made it.
        </Text>
        <Button variant="default" onClick={open}>
          New token
        </Button>
      </Group>
      {tokens.data.length > 0 && (
        <Rows label="API tokens">
          {tokens.data.map((token) => (
            <TokenRow key={token.id} token={token} onRevoke={() => setRemoving(token)} />
          ))}
        </Rows>
      )}
      <NewToken opened={creating} onClose={close} />
      <Confirmation
        opened={removing !== undefined}
        title={`Revoke ${removing?.name}?`}
        action="Revoke"
        pending={change.isPending}
        onConfirm={() => removing && remove(removing)}
        onClose={() => setRemoving(undefined)}
      >
        The program that uses it is refused at once.
      </Confirmation>
    </>
  );
}

function TokenRow({ token, onRevoke }: { token: Token; onRevoke: () => void }) {
  const nameOf = useCameraName();
  const expired = token.expires_at && Date.parse(token.expires_at) < Date.now();
  return (
    <li>
      <RowText>
        <Group gap="xs">
          <Text fw={600}>{token.name}</Text>
          <Badge variant="light" color="gray">
            {roleWord(token.role)}
          </Badge>
          {expired && (
            <Badge variant="light" color="red">
              Expired
            </Badge>
          )}
        </Group>
        <Text fz="sm" c="dimmed">
          {token.username} · {scopeWords(token.cameras, nameOf)} ·{" "}
          {token.last_used_at ? (
            <>
              used <TimeAgo at={token.last_used_at} />
            </>
          ) : (
            "never used"
          )}
          {token.expires_at && ` · until ${fullTime(token.expires_at)}`}
        </Text>
      </RowText>
      <Button
        variant="default"
        size="xs"
        c="red"
        aria-label={`Revoke ${token.name}`}
        onClick={onRevoke}
      >
        Revoke
      </Button>
    </li>
  );
}

function NewToken({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [created, setCreated] = useState<TokenCreated>();

  function close() {
    setCreated(undefined);
    onClose();
  }

  return (
    <Dialog
      opened={opened}
      onClose={close}
      closeOnClickOutside={!created}
      title={created ? `The token ${created.name}` : "New token"}
    >
      {created ? (
        <Stack>
          <Text>
            Copy it now: Usher keeps only a fingerprint of it and <b>cannot show it again</b>.
          </Text>
          <Copyable label="Token" text={created.key} />
          <Copyable label="Header" text={`Authorization: Bearer ${created.key}`} />
          <Group justify="end">
            <Button onClick={close}>Done</Button>
          </Group>
        </Stack>
      ) : (
        <TokenForm onCreated={setCreated} />
      )}
    </Dialog>
  );
}

function TokenForm({ onCreated }: { onCreated: (token: TokenCreated) => void }) {
  const [access, setAccess] = useState<Access>({ role: "viewer", cameras: [] });
  const [days, setDays] = useState("90");
  const change = useChange<TokenCreated>();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    const expires_at = days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null;
    change.run(() => createToken({ name, ...access, expires_at }), onCreated);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          name="name"
          label="Name"
          description="What uses it, such as “Time clock”."
          maxLength={120}
          required
          data-autofocus
        />
        <ScopeFields access={access} onChange={setAccess} />
        <Select
          label="Works for"
          data={LASTING}
          value={days}
          onChange={(value) => setDays(value ?? "")}
          allowDeselect={false}
        />
        <Group justify="end">
          <Button type="submit" loading={change.isPending}>
            Create token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
