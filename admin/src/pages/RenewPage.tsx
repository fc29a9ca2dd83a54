import { Center, Paper, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { signOut } from "../api/client";
import { ENDS_SESSION } from "../api/queries";
import type { User } from "../api/types";
import { PasswordForm } from "../components/PasswordForm";
import styles from "./SignInPage.module.css";

/** Somebody has signed in with a password that an admin gave them: first of all they change it. */
export function RenewPage({ user }: { user: User }) {
  const leave = useMutation({ mutationFn: signOut, meta: ENDS_SESSION });
  return (
    <Center component="main" mih="100dvh" p="md" className={styles.page}>
      <title>Choose a password · Usher</title>
      <Paper withBorder shadow="md" p="xl" w="100%" maw={420}>
        <Stack gap="md">
          <Title order={1}>Choose a password</Title>
          <Text c="dimmed" fz="sm">
            Hello {user.username}. The password that you were given is for this once: choose one
            that only you know, then sign in with it.
          </Text>
          <PasswordForm
            username={user.username}
            onCancel={() => leave.mutate()}
            cancel="Sign out"
          />
        </Stack>
      </Paper>
    </Center>
  );
}
