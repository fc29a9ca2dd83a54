import { Alert, Button, Code, Group, Loader, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck, IconClockOff } from "@tabler/icons-react";
import { type FormEvent, useEffect, useState } from "react";
import { createPairingCode } from "../api/client";
import { useChange, usePairingCode } from "../api/queries";
import type { PairingCodeCreated } from "../api/types";
import { timeLeft } from "../format";
import styles from "./ConnectCamera.module.css";
import { Copyable } from "./Copyable";

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** From a name to a code, and from the code to a device that has its key. */
export function ConnectCamera({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [code, setCode] = useState<PairingCodeCreated>();

  function close() {
    setCode(undefined);
    onClose();
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      closeOnClickOutside={!code}
      size="lg"
      title={code ? `Connect ${code.name}` : "Connect a camera"}
    >
      {code ? (
        <Waiting key={code.id} code={code} onNewCode={setCode} onDone={close} />
      ) : (
        <NameForm onCreated={setCode} />
      )}
    </Modal>
  );
}

function NameForm({ onCreated }: { onCreated: (code: PairingCodeCreated) => void }) {
  const change = useChange<PairingCodeCreated>();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    change.run(() => createPairingCode(name), onCreated);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          name="name"
          label="Name"
          description="Of the device that the camera is at, such as “Front door”."
          maxLength={120}
          required
          data-autofocus
        />
        <Group justify="end">
          <Button type="submit" loading={change.isPending}>
            Make a code
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Waiting({
  code,
  onNewCode,
  onDone,
}: {
  code: PairingCodeCreated;
  onNewCode: (code: PairingCodeCreated) => void;
  onDone: () => void;
}) {
  const paired = Boolean(usePairingCode(code).data.device_id);
  const left = useTimeLeft(code.expires_at);
  const change = useChange<PairingCodeCreated>();
  const { origin, hostname } = window.location;

  if (!paired && left === "0:00") {
    return (
      <Stack>
        <Alert color="orange" icon={<IconClockOff aria-hidden />} title="The code has expired">
          No device has used it.
        </Alert>
        <Group justify="end">
          <Button
            loading={change.isPending}
            onClick={() => change.run(() => createPairingCode(code.name), onNewCode)}
          >
            Make a new code
          </Button>
        </Group>
      </Stack>
    );
  }
  return (
    <Stack>
      {!paired && (
        <>
          <section className={styles.code} aria-label="Code">
            {code.code}
          </section>
          <Copyable
            label="1. Run on the device"
            text={`usher detect --pair ${code.code} --api ${origin}`}
          />
        </>
      )}
      <div role="status">
        {paired ? (
          <Alert color="pine" icon={<IconCheck aria-hidden />}>
            {code.name} has fetched its key.
          </Alert>
        ) : (
          <Group gap="xs" wrap="nowrap">
            <Loader size="xs" aria-hidden />
            <Text fz="sm">Waiting for the device to fetch its key.</Text>
          </Group>
        )}
      </div>
      {!paired && (
        <Text fz="sm" c="dimmed">
          The code is good for one device, for <span className={styles.left}>{left}</span> more.
        </Text>
      )}
      <Copyable
        label={paired ? "Then start it" : "2. Then start it"}
        text={`usher detect --source 0 --camera-id ${slugOf(code.name)} --api ${origin}`}
      />
      <Text fz="sm" c="dimmed">
        <Code>--source</Code> is a camera's number, a file or a stream's address;{" "}
        <Code>--camera-id</Code> is the name that the camera goes by.
        {LOOPBACK.has(hostname) &&
          ` On another machine, write the address of this one in place of ${hostname}.`}
      </Text>
      <Group justify="end">
        <Button variant={paired ? "filled" : "default"} onClick={onDone}>
          {paired ? "Done" : "Close"}
        </Button>
      </Group>
    </Stack>
  );
}

function useTimeLeft(until: string): string {
  const [left, setLeft] = useState(() => timeLeft(until));
  useEffect(() => {
    const timer = window.setInterval(() => setLeft(timeLeft(until)), 1_000);
    return () => window.clearInterval(timer);
  }, [until]);
  return left;
}

/** A camera's identifier out of a name: "Front door" is `front-door`. */
function slugOf(name: string): string {
  const slug = name
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-+|-+$/g, "");
  return slug || "camera-1";
}
