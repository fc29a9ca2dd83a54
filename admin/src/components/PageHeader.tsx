import { Group, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** A page's heading, which is also the window's title, with the page's controls beside it. */
export function PageHeader({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Group justify="space-between" align="center" gap="sm" mb="md">
      <title>{`${title} · Usher`}</title>
      <Title order={1}>{title}</Title>
      {children && <Group gap="sm">{children}</Group>}
    </Group>
  );
}
