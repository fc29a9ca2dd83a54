import { Button, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useChange } from "../api/queries";
import type { IdentifiedFace, PersonBrief } from "../api/types";
import { personName } from "../outcome";
import { enrolAnew, enrolAs } from "../recognition";
import { Dialog } from "./Dialog";
import styles from "./EnrolDialog.module.css";
import { useObjectUrl } from "./useObjectUrl";
import { WhoForm } from "./WhoForm";

/** A face of the browser's own camera, as it was when somebody pressed the button. */
export type Snapshot = { face: IdentifiedFace; picture: File };

/** Asks whose a face is, and recognises them by this picture from now on. */
export function EnrolDialog({
  snapshot,
  onClose,
}: {
  snapshot: Snapshot | undefined;
  onClose: () => void;
}) {
  return (
    <Dialog opened={snapshot !== undefined} onClose={onClose} title="Enrol this face">
      {snapshot && <Enrolment snapshot={snapshot} onDone={onClose} />}
    </Dialog>
  );
}

function Enrolment({
  snapshot: { face, picture },
  onDone,
}: {
  snapshot: Snapshot;
  onDone: () => void;
}) {
  const change = useChange<PersonBrief>();
  const address = useObjectUrl(picture);
  const { person, candidate } = face;
  const likely = person && person.kind !== "unknown" ? person : (candidate ?? undefined);

  function add(to: PersonBrief) {
    change.run(async () => {
      await enrolAs(to, picture);
      return to;
    }, enrolled);
  }

  const name = (given: string) => change.run(() => enrolAnew(given, picture, face), enrolled);

  function enrolled(someone: PersonBrief) {
    notifications.show({
      title: `Usher knows ${personName(someone)} by this picture now`,
      message: "Two or three different pictures work best: turn the head a little for the next.",
    });
    onDone();
  }

  return (
    <Stack gap="md">
      {address && <img className={styles.picture} src={address} alt="The face to enrol" />}
      {likely && (
        <Button loading={change.isPending} onClick={() => add(likely)}>
          Add to {personName(likely)}
        </Button>
      )}
      <WhoForm exclude={likely?.id} pending={change.isPending} onName={name} onPick={add} focusName>
        <Text fz="xs" c="dimmed">
          A new name adds a person. Somebody chosen below gets one more photograph.
        </Text>
      </WhoForm>
    </Stack>
  );
}
