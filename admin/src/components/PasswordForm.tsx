import { Button, Group, PasswordInput, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { changePassword } from "../api/client";
import { ENDS_SESSION, SHOWS_ERROR } from "../api/queries";
import { Failure } from "./Failure";

const SHORTEST_PASSWORD = 12;

/** Changes one's own password, after which one signs in anew. */
export function PasswordForm({
  username,
  onCancel,
  cancel = "Cancel",
}: {
  username: string;
  onCancel: () => void;
  cancel?: string;
}) {
  const change = useMutation({
    mutationFn: changePassword,
    meta: { ...SHOWS_ERROR, ...ENDS_SESSION },
    onSuccess: () => notifications.show({ message: "Sign in with the new password." }),
  });

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    change.mutate({
      current_password: String(form.get("current")),
      new_password: String(form.get("new")),
    });
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <input type="text" autoComplete="username" value={username} readOnly hidden />
        {change.isError && <Failure error={change.error} />}
        <PasswordInput
          name="current"
          label="Current password"
          autoComplete="current-password"
          required
          data-autofocus
        />
        <PasswordInput
          name="new"
          label="New password"
          description={`At least ${SHORTEST_PASSWORD} characters. It ends every session, this one too.`}
          autoComplete="new-password"
          minLength={SHORTEST_PASSWORD}
          maxLength={256}
          required
        />
        <Group justify="end" gap="xs">
          <Button variant="default" onClick={onCancel}>
            {cancel}
          </Button>
          <Button type="submit" loading={change.isPending}>
            Change password
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
