import { Button, Group, Stack, TagsInput, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { removeCamera, updateCamera } from "../api/client";
import { useChange } from "../api/queries";
import type { Camera } from "../api/types";
import { Confirmation } from "./Confirmation";

/** What people call a camera, and who hears of it. */
export function CameraForm({ camera, onDone }: { camera: Camera; onDone: () => void }) {
  const [managers, setManagers] = useState(camera.managers);
  const [removing, setRemoving] = useState(false);
  const change = useChange();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    change.run(() => updateCamera(camera.id, { name, managers }), onDone);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          name="name"
          label="Name"
          defaultValue={camera.name}
          maxLength={120}
          required
          data-autofocus
        />
        <TagsInput
          label="Managers"
          description="Chat accounts that hear about its alerts. Press Enter after each."
          value={managers}
          onChange={setManagers}
          maxTags={50}
          acceptValueOnBlur
        />
        <Group gap="xs">
          <Button variant="subtle" color="red" mr="auto" onClick={() => setRemoving(true)}>
            Remove
          </Button>
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
          <Button type="submit" loading={change.isPending}>
            Save
          </Button>
        </Group>
      </Stack>
      <Confirmation
        opened={removing}
        title={`Remove ${camera.name}?`}
        action="Remove"
        pending={change.isPending}
        onConfirm={() => change.run(() => removeCamera(camera.id), onDone)}
        onClose={() => setRemoving(false)}
      >
        It leaves this list, with its name, its managers and its last picture. Its detections stay.
        If its detector goes on, it comes back.
      </Confirmation>
    </form>
  );
}
