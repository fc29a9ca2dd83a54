import { Badge, Button, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconUserPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useCameraName, useMay, useSession, useUsers } from "../api/queries";
import type { User, UserCreated } from "../api/types";
import { Copyable } from "../components/Copyable";
import { Dialog } from "../components/Dialog";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { Rows, RowText } from "../components/Rows";
import { Tokens } from "../components/Tokens";
import { UserForm } from "../components/UserForm";
import { roleWord, scopeWords } from "../userWords";

/** What the dialog shows: a form for somebody, or a password that is shown this once. */
type Shown = { user?: User; created?: UserCreated };

/** Who signs in to the panel, what they may, and the tokens of programs. */
export function UsersPage() {
  return useMay("admin") ? <Everybody /> : <OwnTokens />;
}

function OwnTokens() {
  return (
    <>
      <PageHeader title="API tokens" />
      <Tokens />
    </>
  );
}

function Everybody() {
  const [dialog, setDialog] = useState<Shown>();
  const close = () => setDialog(undefined);
  return (
    <>
      <PageHeader title="Users">
        <Button leftSection={<IconUserPlus size={18} aria-hidden />} onClick={() => setDialog({})}>
          Add user
        </Button>
      </PageHeader>
      <Users onEdit={(user) => setDialog({ user })} />
      <Title order={2} mt="xl" mb="xs">
        API tokens
      </Title>
      <Tokens />
      <Dialog
        opened={dialog !== undefined}
        onClose={close}
        closeOnClickOutside={!dialog?.created}
        title={titleOf(dialog)}
      >
        {dialog?.created ? (
          <PasswordOnce user={dialog.created} onDone={close} />
        ) : (
          <UserForm
            user={dialog?.user}
            onDone={close}
            onPassword={(created) => setDialog({ created })}
          />
        )}
      </Dialog>
    </>
  );
}

function titleOf(dialog: Shown | undefined): string {
  if (dialog?.created) return `The password of ${dialog.created.username}`;
  return dialog?.user?.username ?? "Add user";
}

function Users({ onEdit }: { onEdit: (user: User) => void }) {
  const users = useUsers();
  if (users.isPending) return <Skeleton height={120} role="progressbar" aria-label="Loading" />;
  if (!users.data) return <Failure error={users.error} retry={users.refetch} />;
  return (
    <Rows label="Users">
      {users.data.map((user) => (
        <UserRow key={user.id} user={user} onEdit={() => onEdit(user)} />
      ))}
    </Rows>
  );
}

function UserRow({ user, onEdit }: { user: User; onEdit: () => void }) {
  const nameOf = useCameraName();
  const own = useSession().data?.user.id === user.id;
  return (
    <li>
      <RowText>
        <Group gap="xs">
          <Text fw={600}>{user.username}</Text>
          <Badge variant="light" color={user.role === "admin" ? "pine" : "gray"}>
            {roleWord(user.role)}
          </Badge>
          {own && (
            <Text fz="xs" c="dimmed">
              you
            </Text>
          )}
          {user.disabled && (
            <Badge variant="light" color="red">
              May not sign in
            </Badge>
          )}
        </Group>
        <Text fz="sm" c="dimmed">
          Sees {scopeWords(user.cameras ?? [], nameOf)}
          {user.must_renew && " · has not chosen a password yet"}
        </Text>
      </RowText>
      <Button variant="default" size="xs" aria-label={`Edit ${user.username}`} onClick={onEdit}>
        Edit
      </Button>
    </li>
  );
}

function PasswordOnce({ user, onDone }: { user: UserCreated; onDone: () => void }) {
  return (
    <Stack>
      <Text>
        Give it to {user.username}. Usher <b>cannot show it again</b>, and asks for another one at
        the first sign-in.
      </Text>
      <Copyable label="Password" text={user.password} />
      <Group justify="end">
        <Button onClick={onDone}>Done</Button>
      </Group>
    </Stack>
  );
}
