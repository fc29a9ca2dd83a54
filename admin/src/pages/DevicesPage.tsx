import {
  Anchor,
  Badge,
  Button,
  Code,
  Group,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconKey } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { createDevice, removeDevice } from "../api/client";
import { useCameraName, useChange, useDevices } from "../api/queries";
import type { Device, DeviceCreate, DeviceCreated } from "../api/types";
import { Confirmation } from "../components/Confirmation";
import { Copyable } from "../components/Copyable";
import { Dialog } from "../components/Dialog";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { ForAdmins } from "../components/ForRoles";
import { KeyCameras } from "../components/KeyCameras";
import { PageHeader } from "../components/PageHeader";
import { TimeAgo } from "../components/TimeAgo";
import styles from "./DevicesPage.module.css";

/** The keys of what may talk to Usher. */
export function DevicesPage() {
  const [creating, { open, close }] = useDisclosure();
  return (
    <>
      <PageHeader title="Devices">
        <ForAdmins>
          <Button leftSection={<IconKey size={18} aria-hidden />} onClick={open}>
            New key
          </Button>
        </ForAdmins>
      </PageHeader>
      <Text c="dimmed" fz="sm" mb="md" maw="46rem">
        Each detector and notifier has a key of its own. The easiest way to one is{" "}
        <Anchor component={Link} to="/cameras" inherit underline="always">
          Connect a camera
        </Anchor>
        .
      </Text>
      <Devices />
      <NewKey opened={creating} onClose={close} />
    </>
  );
}

function Devices() {
  const devices = useDevices();
  const nameOf = useCameraName();
  const [removing, setRemoving] = useState<Device>();
  const change = useChange();

  function remove(device: Device) {
    change.run(
      () => removeDevice(device.id),
      () => setRemoving(undefined),
    );
  }

  if (devices.isPending) return <Skeleton height={120} role="progressbar" aria-label="Loading" />;
  if (!devices.data) return <Failure error={devices.error} retry={devices.refetch} />;
  if (devices.data.length === 0) {
    return (
      <EmptyState icon={IconKey} title="No keys yet">
        A detector uploads with a key of its own, which can be revoked by itself.
      </EmptyState>
    );
  }
  return (
    <>
      <ul className={styles.list}>
        {devices.data.map((device) => (
          <li key={device.id} className={styles.row}>
            <div className={styles.what}>
              <Group gap="xs">
                <Text fw={600}>{device.name}</Text>
                <Badge variant="light" color="gray">
                  {device.role === "device" ? "Detector" : "Notifier"}
                </Badge>
              </Group>
              <Text fz="sm" c="dimmed">
                {device.role === "device" && `for ${camerasOf(device, nameOf)} · `}
                {device.last_seen_at ? (
                  <>
                    used <TimeAgo at={device.last_seen_at} />
                  </>
                ) : (
                  "never used"
                )}{" "}
                · created <TimeAgo at={device.created_at} />
              </Text>
            </div>
            <ForAdmins>
              <Button
                variant="default"
                size="xs"
                c="red"
                aria-label={`Revoke ${device.name}`}
                onClick={() => setRemoving(device)}
              >
                Revoke
              </Button>
            </ForAdmins>
          </li>
        ))}
      </ul>
      <Confirmation
        opened={removing !== undefined}
        title={`Revoke the key of ${removing?.name}?`}
        action="Revoke"
        pending={change.isPending}
        onConfirm={() => removing && remove(removing)}
        onClose={() => setRemoving(undefined)}
      >
        What uses it is refused at once. What it has uploaded stays.
      </Confirmation>
    </>
  );
}

function camerasOf({ cameras = [] }: Device, nameOf: (id: string) => string): string {
  return cameras.length > 0 ? cameras.map(nameOf).join(", ") : "any camera";
}

function NewKey({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [created, setCreated] = useState<DeviceCreated>();

  function close() {
    setCreated(undefined);
    onClose();
  }

  return (
    <Dialog
      opened={opened}
      onClose={close}
      closeOnClickOutside={!created}
      size="lg"
      title={created ? `The key of ${created.name}` : "New key"}
    >
      {created ? <KeyOnce device={created} onDone={close} /> : <KeyForm onCreated={setCreated} />}
    </Dialog>
  );
}

function KeyForm({ onCreated }: { onCreated: (device: DeviceCreated) => void }) {
  const [role, setRole] = useState<DeviceCreate["role"]>("device");
  const [chosen, setChosen] = useState<string[]>([]);
  const change = useChange<DeviceCreated>();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    const cameras = role === "device" ? chosen : [];
    change.run(() => createDevice({ name, role, cameras }), onCreated);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <SegmentedControl
          aria-label="For"
          value={role}
          onChange={(value) => setRole(value as DeviceCreate["role"])}
          data={[
            { value: "device", label: "A detector" },
            { value: "notifier", label: "A notifier" },
          ]}
        />
        <TextInput
          name="name"
          label="Name"
          description={
            role === "device"
              ? "Where it runs, such as “Front door”. It may upload faces and nothing else."
              : "Which chat it serves. It may send alerts and bring back the managers' answers."
          }
          maxLength={120}
          required
          data-autofocus
        />
        {role === "device" && <KeyCameras cameras={chosen} onChange={setChosen} />}
        <Group justify="end">
          <Button type="submit" loading={change.isPending}>
            Create key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function KeyOnce({ device, onDone }: { device: DeviceCreated; onDone: () => void }) {
  return (
    <Stack>
      <Text>
        Copy it now: Usher keeps only a fingerprint of it and <b>cannot show it again</b>.
      </Text>
      <Copyable label="Key" text={device.key} />
      <Text fz="sm">Where it is to run:</Text>
      <Copyable label="Command" text={commandFor(device)} />
      {device.role === "device" && (
        <Text fz="sm" c="dimmed">
          <Code>--source</Code> is a camera's number, a file or a stream's address;{" "}
          <Code>--camera-id</Code> is the name that the camera goes by.
        </Text>
      )}
      <Group justify="end">
        <Button onClick={onDone}>Done</Button>
      </Group>
    </Stack>
  );
}

function commandFor({ role, key, cameras = [] }: DeviceCreated): string {
  const { origin } = window.location;
  const program =
    role === "device"
      ? `usher detect --source 0 --camera-id ${cameras[0] ?? "front-door"} --api ${origin}`
      : `usher notify --api ${origin}`;
  return `export USHER_API_KEY='${key}'\n${program}`;
}
