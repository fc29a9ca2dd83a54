import { Group, Text } from "@mantine/core";
import styles from "./ConnectionStatus.module.css";

/** Whether what is on the screen follows what happens. */
export function ConnectionStatus({ connected }: { connected: boolean }) {
  return (
    <Group gap={7} wrap="nowrap" role="status">
      <span className={styles.dot} data-connected={connected} />
      <Text fz="xs" c="dimmed">
        {connected ? "Connected" : "Connecting…"}
      </Text>
    </Group>
  );
}
