import { Stack, Text, ThemeIcon, Title } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";
import type { ReactNode } from "react";

/** What stands where a list would be: why it is empty, and what to do about it. */
export function EmptyState({
  icon: Icon,
  title,
  children,
}: {
  icon: Icon;
  title: string;
  children: ReactNode;
}) {
  return (
    <Stack align="center" ta="center" gap="xs" py={48} px="md" maw={520} mx="auto">
      <ThemeIcon size={52} radius="xl" variant="light" mb={4}>
        <Icon size={26} stroke={1.6} aria-hidden />
      </ThemeIcon>
      <Title order={2}>{title}</Title>
      <Text c="dimmed" fz="sm" component="div">
        {children}
      </Text>
    </Stack>
  );
}
