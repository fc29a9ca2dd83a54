import { Button, Text } from "@mantine/core";
import { IconCheck, IconFaceId } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useCameras, useMay, usePersons } from "../api/queries";
import { EmptyState } from "./EmptyState";
import styles from "./GettingStarted.module.css";

/** What a system that has seen nobody yet needs, step by step, and which steps are done. */
export function GettingStarted() {
  const cameras = useCameras().data?.length ?? 0;
  const people = usePersons({ kind: "known" }).data?.length ?? 0;
  const mayConnect = useMay("admin");
  const mayAdd = useMay("admin", "manager");
  return (
    <EmptyState icon={IconFaceId} title="No faces yet">
      <Text inherit>
        Usher knows the people who belong here, and tells you about a face that it does not know. As
        soon as a camera sees a face, it appears on this page.
      </Text>
      <ol className={styles.steps} aria-label="First steps">
        <Step
          done={people > 0}
          title="Add the people who belong here"
          action={mayAdd && <StepLink to="/people?add">Add the first person</StepLink>}
        >
          A name and two or three photographs each, so that only strangers are strangers.
        </Step>
        <Step
          done={cameras > 0}
          title="Connect a camera"
          action={mayConnect && <StepLink to="/cameras?connect">Connect a camera</StepLink>}
        >
          {mayConnect
            ? "A code is shown, with what to run where the camera is."
            : "An admin does that, under Cameras."}
        </Step>
        <Step
          done={false}
          title="Or try it at once"
          action={mayAdd && <StepLink to="/live-camera">Use this camera</StepLink>}
        >
          With the camera of the computer in front of you. Nothing is kept.
        </Step>
      </ol>
    </EmptyState>
  );
}

function Step({
  done,
  title,
  action,
  children,
}: {
  done: boolean;
  title: string;
  action: ReactNode;
  children: ReactNode;
}) {
  return (
    <li className={styles.step} data-done={done}>
      <span className={styles.mark} aria-hidden>
        {done && <IconCheck size={16} />}
      </span>
      <div className={styles.words}>
        <Text fw={600} fz="sm">
          {title}
          {done && " (done)"}
        </Text>
        <Text fz="sm" c="dimmed">
          {children}
        </Text>
      </div>
      {!done && action}
    </li>
  );
}

function StepLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Button component={Link} to={to} size="xs" variant="light">
      {children}
    </Button>
  );
}
