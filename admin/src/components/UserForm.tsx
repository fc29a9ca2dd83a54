import { Button, Group, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { createUser, removeUser, resetPassword, updateUser } from "../api/client";
import { useChange } from "../api/queries";
import type { PersonRole, User, UserCreated } from "../api/types";
import { Confirmation } from "./Confirmation";
import { type Access, ScopeFields } from "./ScopeFields";

/** Adds somebody, or changes what they may do. */
export function UserForm({
  user,
  onDone,
  onPassword,
}: {
  /** Left out: somebody new. */
  user?: User;
  onDone: () => void;
  /** Somebody has a password that is shown this once. */
  onPassword: (created: UserCreated) => void;
}) {
  const [access, setAccess] = useState<Access>({
    role: (user?.role ?? "viewer") as PersonRole,
    cameras: user?.cameras ?? [],
  });
  const [accounts, setAccounts] = useState(user?.accounts ?? []);
  const [asking, setAsking] = useState<"remove" | "reset">();
  const adding = useChange<UserCreated>();
  const change = useChange();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const username = String(form.get("username"));
    const scoped = access.role === "admin" ? { ...access, cameras: [] } : access;
    if (!user) return adding.run(() => createUser({ username, ...scoped }), onPassword);
    const disabled = form.get("enabled") === null;
    change.run(() => updateUser(user.id, { username, ...scoped, accounts, disabled }), onDone);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          name="username"
          label="Username"
          defaultValue={user?.username}
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          maxLength={64}
          required
          data-autofocus
        />
        <ScopeFields access={access} onChange={setAccess} whole={["admin"]} />
        {user && (
          <TagsInput
            label="Accounts in the chat"
            description="What they say there with these, they do as this user. One at a time, as the chat writes them: @ann."
            value={accounts}
            onChange={setAccounts}
            maxTags={20}
            acceptValueOnBlur
          />
        )}
        {user && (
          <Switch
            name="enabled"
            label="May sign in"
            description="Switched off, they are signed out at once and their tokens stop."
            defaultChecked={!user.disabled}
          />
        )}
        {user && (
          <Group gap="xs">
            <Button variant="light" size="xs" onClick={() => setAsking("reset")}>
              New password
            </Button>
            <Button variant="light" size="xs" color="red" onClick={() => setAsking("remove")}>
              Remove
            </Button>
          </Group>
        )}
        <Group gap="xs" justify="end">
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
          <Button type="submit" loading={adding.isPending || change.isPending}>
            {user ? "Save" : "Add"}
          </Button>
        </Group>
      </Stack>
      {user && (
        <>
          <Confirmation
            opened={asking === "remove"}
            title={`Remove ${user.username}?`}
            action="Remove"
            pending={change.isPending}
            onConfirm={() => change.run(() => removeUser(user.id), onDone)}
            onClose={() => setAsking(undefined)}
          >
            They are signed out at once, and their tokens are revoked. What they did stays.
          </Confirmation>
          <Confirmation
            opened={asking === "reset"}
            title={`A new password for ${user.username}?`}
            action="Make a new one"
            pending={adding.isPending}
            onConfirm={() => adding.run(() => resetPassword(user.id), onPassword)}
            onClose={() => setAsking(undefined)}
          >
            The old one stops working, and they are signed out at once.
          </Confirmation>
        </>
      )}
    </form>
  );
}
