import { Button, Skeleton, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDeviceCctv, IconPlugConnected } from "@tabler/icons-react";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { useCameras, useMay } from "../api/queries";
import type { Camera } from "../api/types";
import { isInTrouble } from "../cameraWords";
import { CameraCard } from "../components/CameraCard";
import { CameraForm } from "../components/CameraForm";
import { ConnectCamera } from "../components/ConnectCamera";
import { Dialog } from "../components/Dialog";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { RegionsEditor } from "../components/RegionsEditor";
import styles from "./CamerasPage.module.css";

/** How often devices report: pictures and rates are no newer than that. */
const REFRESH_MS = 10_000;

/** Every camera, what it last saw, and how it is. */
export function CamerasPage() {
  const mayConnect = useMay("admin");
  const [parameters] = useSearchParams();
  const [connecting, { open, close }] = useDisclosure(mayConnect && parameters.has("connect"));
  return (
    <>
      <PageHeader title="Cameras">
        {mayConnect && (
          <Button leftSection={<IconPlugConnected size={18} aria-hidden />} onClick={open}>
            Connect a camera
          </Button>
        )}
      </PageHeader>
      <Cameras onConnect={mayConnect ? open : undefined} />
      <ConnectCamera opened={connecting} onClose={close} />
    </>
  );
}

function Cameras({ onConnect }: { onConnect: (() => void) | undefined }) {
  const cameras = useCameras(REFRESH_MS);
  const [editing, setEditing] = useState<Camera>();
  const [drawing, setDrawing] = useState<Camera>();
  if (cameras.isPending) return <Skeleton height={320} role="progressbar" aria-label="Loading" />;
  if (!cameras.data) return <Failure error={cameras.error} retry={cameras.refetch} />;
  if (cameras.data.length === 0) {
    return (
      <EmptyState icon={IconDeviceCctv} title="No cameras yet">
        <Text inherit>
          {onConnect
            ? "Connect one: a code is shown, with what to run where the camera is. A camera in the " +
              "network, a webcam or a film will do. It appears here as soon as it runs."
            : "An admin connects them. Each appears here as soon as it runs."}
        </Text>
        {onConnect && (
          <Button mt="md" onClick={onConnect}>
            Connect the first camera
          </Button>
        )}
      </EmptyState>
    );
  }
  return (
    <>
      <ul className={styles.cameras} aria-label="Cameras">
        {troubledFirst(cameras.data).map((camera) => (
          <li key={camera.id}>
            <CameraCard
              camera={camera}
              onEdit={() => setEditing(camera)}
              onDraw={() => setDrawing(camera)}
            />
          </li>
        ))}
      </ul>
      <Dialog opened={editing !== undefined} onClose={() => setEditing(undefined)} title="Camera">
        {editing && <CameraForm camera={editing} onDone={() => setEditing(undefined)} />}
      </Dialog>
      <Dialog
        opened={drawing !== undefined}
        onClose={() => setDrawing(undefined)}
        title={`Where ${drawing?.name ?? "the camera"} looks for faces`}
        size="xl"
      >
        {drawing && <RegionsEditor camera={drawing} onDone={() => setDrawing(undefined)} />}
      </Dialog>
    </>
  );
}

function troubledFirst(cameras: Camera[]): Camera[] {
  return cameras.toSorted((one, other) => Number(isInTrouble(other)) - Number(isInTrouble(one)));
}
