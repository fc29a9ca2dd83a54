import { Group, Text } from "@mantine/core";

export function Logo() {
  return (
    <Group gap={10} wrap="nowrap">
      <img src="/favicon.svg" alt="" width={30} height={30} />
      <Text fw={700} fz="lg" lts="-0.01em">
        Usher
      </Text>
    </Group>
  );
}
