import { Dialog } from "./Dialog";
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
    <Dialog opened={opened} onClose={onClose} title="Change password">
      <PasswordForm username={username} onCancel={onClose} />
    </Dialog>
  );
}
