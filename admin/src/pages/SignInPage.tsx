import { Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { signIn } from "../api/client";
import { forgetAll, SESSION, SHOWS_ERROR } from "../api/queries";
import { Failure } from "../components/Failure";
import styles from "./SignInPage.module.css";

export function SignInPage() {
  const queryClient = useQueryClient();
  const enter = useMutation({
    mutationFn: signIn,
    meta: SHOWS_ERROR,
    onSuccess: (session) => {
      // A session that the server ended has left behind what it saw.
      forgetAll(queryClient);
      queryClient.setQueryData(SESSION, session);
    },
  });

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    enter.mutate({
      username: String(form.get("username")),
      password: String(form.get("password")),
    });
  }

  return (
    <Center component="main" mih="100dvh" p="md" className={styles.page}>
      <title>Sign in · Usher</title>
      <Paper withBorder shadow="md" p="xl" w="100%" maw={380}>
        <form onSubmit={submit}>
          <Stack gap="md">
            <Stack align="center" gap={4} mb="xs">
              <img src="/favicon.svg" alt="" width={56} height={56} />
              <Title order={1} mt="xs">
                Usher
              </Title>
              <Text c="dimmed" fz="sm">
                Who came, and who does not belong.
              </Text>
            </Stack>
            {enter.isError && <Failure error={enter.error} />}
            <TextInput
              name="username"
              label="Username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              autoFocus
            />
            <PasswordInput
              name="password"
              label="Password"
              autoComplete="current-password"
              required
            />
            <Button type="submit" loading={enter.isPending} fullWidth mt="xs">
              Sign in
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
