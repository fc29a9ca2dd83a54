import { Modal } from "@mantine/core";
import { PasswordForm } from "./PasswordForm";

export function PasswordDialog({
  opened,
  onClose,
  username,
}: {
  opened: boolean;
  onClose: () => void;
  username: string;
}) {
  return (
    <Modal opened={opened} onClose={onClose} title="Change password">
      <PasswordForm username={username} onCancel={onClose} />
    </Modal>
  );
}
