import {
  Alert,
  Button,
  Code,
  Group,
  Loader,
  Radio,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { IconCheck, IconClockOff } from "@tabler/icons-react";
import { type FormEvent, useEffect, useState } from "react";
import { createPairingCode, updateCamera } from "../api/client";
import { useCameras, useChange, usePairingCode } from "../api/queries";
import type { PairingCodeCreated } from "../api/types";
import { cameraTitle, slugOf } from "../cameraWords";
import { timeLeft } from "../format";
import styles from "./ConnectCamera.module.css";
import { Copyable } from "./Copyable";
import { Dialog } from "./Dialog";
import { KeyCameras } from "./KeyCameras";

/** As `make run` installs it; in Usher's folder. */
const PROGRAM = ".venv/bin/usher";
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** From a name to a code, and from the code to a device that has its key. */
export function ConnectCamera({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [code, setCode] = useState<PairingCodeCreated>();
  const [here, setHere] = useState<string>();
  const name = code?.name ?? here;

  function close() {
    setCode(undefined);
    setHere(undefined);
    onClose();
  }

  return (
    <Dialog
      opened={opened}
      onClose={close}
      closeOnClickOutside={!name}
      size="lg"
      title={name ? `Connect ${name}` : "Connect a camera"}
    >
      {code && <Waiting key={code.id} code={code} onNewCode={setCode} onDone={close} />}
      {here && <Starting name={here} onDone={close} />}
      {!name && <NameForm onCreated={setCode} onHere={setHere} />}
    </Dialog>
  );
}

const PLACES = [
  { value: "here", label: "The computer that Usher runs on" },
  { value: "elsewhere", label: "Another one" },
];

function NameForm({
  onCreated,
  onHere,
}: {
  onCreated: (code: PairingCodeCreated) => void;
  /** Usher's own computer has a key already. */
  onHere: (name: string) => void;
}) {
  const change = useChange<PairingCodeCreated>();
  const [place, setPlace] = useState("here");
  const [written, setWritten] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const name = written.trim();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (place === "here") return onHere(name);
    const cameras = chosen.length > 0 ? [...new Set([slugOf(name), ...chosen])] : [];
    change.run(() => createPairingCode({ name, cameras }), onCreated);
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Name"
          description="Of the place that the camera sees, such as “Front door”."
          value={written}
          onChange={(event) => setWritten(event.currentTarget.value)}
          maxLength={120}
          required
          data-autofocus
        />
        <Radio.Group
          label="Which computer looks at the camera?"
          description="The one that it is plugged into, or any that reaches it over the network."
          value={place}
          onChange={setPlace}
        >
          <Stack gap="xs" mt="xs">
            {PLACES.map(({ value, label }) => (
              <Radio key={value} value={value} label={label} />
            ))}
          </Stack>
        </Radio.Group>
        {place === "elsewhere" && (
          <KeyCameras
            cameras={chosen}
            onChange={setChosen}
            connecting={name ? slugOf(name) : undefined}
          />
        )}
        <Group justify="end">
          <Button type="submit" loading={change.isPending}>
            {place === "here" ? "Next" : "Make a code"}
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
  const again = { name: code.name, cameras: code.cameras };

  if (!paired && left === "0:00") {
    return (
      <Stack>
        <Alert color="orange" icon={<IconClockOff aria-hidden />} title="The code has expired">
          No device has used it.
        </Alert>
        <Group justify="end">
          <Button
            loading={change.isPending}
            onClick={() => change.run(() => createPairingCode(again), onNewCode)}
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
            label="1. Run there, in Usher's folder"
            text={`${PROGRAM} detect --pair ${code.code} --api ${origin}`}
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
      <StartCommand label={paired ? "Then start it" : "2. Then start it"} name={code.name} />
      {LOOPBACK.has(hostname) && (
        <Text fz="sm" c="dimmed">
          In place of {hostname}, write the address at which the other computer reaches this one.
          Usher listens to this computer alone unless it was started with{" "}
          <Code>USHER_HOST=0.0.0.0</Code>.
        </Text>
      )}
      {paired && <Arrival name={code.name} />}
      <Group justify="end">
        <Button variant={paired ? "filled" : "default"} onClick={onDone}>
          {paired ? "Done" : "Close"}
        </Button>
      </Group>
    </Stack>
  );
}

/** On Usher's own computer: one command, and the camera is there. */
function Starting({ name, onDone }: { name: string; onDone: () => void }) {
  return (
    <Stack>
      <StartCommand label="Run in a terminal, in Usher's folder" name={name} />
      <Arrival name={name} />
      <Group justify="end">
        <Button variant="default" onClick={onDone}>
          Close
        </Button>
      </Group>
    </Stack>
  );
}

const SOURCES = [
  { label: "Webcam", source: "0", hint: "0 is the first webcam, 1 the second." },
  {
    label: "Network camera",
    source: "rtsp://USER:PASSWORD@ADDRESS/stream1",
    hint: "The camera's manual says its address; put in its own user and password.",
  },
  { label: "Video file", source: "FILE.mp4", hint: "It is looked at once, from its beginning." },
];

function StartCommand({ label, name }: { label: string; name: string }) {
  const [kind, setKind] = useState("Webcam");
  const { source, hint } = SOURCES.find((one) => one.label === kind) ?? { source: "0", hint: "" };
  const { origin } = window.location;
  return (
    <>
      <SegmentedControl
        aria-label="Kind of camera"
        value={kind}
        onChange={setKind}
        data={SOURCES.map((one) => one.label)}
      />
      <Copyable
        label={label}
        text={`${PROGRAM} detect --source ${source} --camera-id ${slugOf(name)} --api ${origin}`}
      />
      <Text fz="sm" c="dimmed">
        {hint}
      </Text>
    </>
  );
}

const LOOK_EVERY_MS = 2_000;

/** Says when the camera has come, and gives it the name that somebody chose. */
function Arrival({ name }: { name: string }) {
  const id = slugOf(name);
  const camera = useCameras(LOOK_EVERY_MS).data?.find((one) => one.id === id);
  const { run } = useChange();
  const unnamed = camera !== undefined && camera.name === id && name !== id;

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it has come
  useEffect(() => {
    if (unnamed) run(() => updateCamera(id, { name }));
  }, [unnamed]);

  return (
    <div role="status">
      {camera ? (
        <Alert color="pine" icon={<IconCheck aria-hidden />}>
          {name} is there: {cameraTitle(camera).toLowerCase()}. Who it sees appears under Today.
        </Alert>
      ) : (
        <Group gap="xs" wrap="nowrap">
          <Loader size="xs" aria-hidden />
          <Text fz="sm">Waiting for the camera.</Text>
        </Group>
      )}
    </div>
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
