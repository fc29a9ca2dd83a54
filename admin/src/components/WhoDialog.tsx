import { Text } from "@mantine/core";
import type { Person } from "../api/types";
import { Dialog } from "./Dialog";
import { WhoForm } from "./WhoForm";

/** Asks who somebody is: a new name, or one whom Usher has already. */
export function WhoDialog({
  title,
  exclude,
  consequence,
  opened,
  pending,
  onName,
  onPick,
  onClose,
}: {
  title: string;
  exclude: string | undefined;
  /** What the answer goes for. */
  consequence: string;
  opened: boolean;
  pending: boolean;
  onName: (name: string) => void;
  onPick: (person: Person) => void;
  onClose: () => void;
}) {
  return (
    <Dialog opened={opened} onClose={onClose} title={title}>
      <WhoForm exclude={exclude} pending={pending} onName={onName} onPick={onPick} focusName>
        <Text fz="xs" c="dimmed">
          {consequence}
        </Text>
      </WhoForm>
    </Dialog>
  );
}
