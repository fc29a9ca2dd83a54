import {
  ActionIcon,
  Alert,
  Anchor,
  Button,
  FileButton,
  Group,
  Loader,
  Skeleton,
  Stack,
  Text,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCamera, IconCheck, IconPhotoPlus, IconTrash, IconX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Fragment, useRef, useState } from "react";
import { Link } from "react-router";
import { addFace, addVideo, faceImage, isOfSeveralFaces, removeFace } from "../api/client";
import { SHOWS_ERROR, useChange, useFaces, useIdentityStats } from "../api/queries";
import type { Face, Person, PersonBrief } from "../api/types";
import { count, fullTime } from "../format";
import { personName } from "../outcome";
import { CameraShots } from "./CameraShots";
import { CardGrid } from "./CardGrid";
import { Confirmation } from "./Confirmation";
import { DropZone } from "./DropZone";
import { FaceChoice } from "./FaceChoice";
import { Failure } from "./Failure";
import { ForManagers } from "./ForRoles";
import styles from "./Photographs.module.css";

/** A person's references: what new faces are compared with, and which do not seem to be theirs. */
export function Photographs({ person }: { person: Person }) {
  const faces = useFaces(person.id);
  const { doubtful, alike } = useDoubts(person.id);
  const [removing, setRemoving] = useState<Face>();
  const change = useChange();

  function remove(face: Face) {
    change.run(
      () => removeFace(person.id, face.id),
      () => setRemoving(undefined),
    );
  }

  return (
    <Stack gap="sm">
      <ForManagers>
        <Uploads person={person} />
      </ForManagers>
      {faces.isError && <Failure error={faces.error} retry={faces.refetch} />}
      <Doubts person={person} doubtful={doubtful} alike={alike} />
      <CardGrid label="Photographs" cardWidth={100}>
        {faces.isPending &&
          Array.from({ length: person.faces }, (_, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
            <Skeleton key={place} component="li" height="auto" className={styles.placeholder} />
          ))}
        {faces.data?.map((face) => (
          <li key={face.id} className={styles.photograph}>
            <img
              src={faceImage(person.id, face.id, 320)}
              alt={`${personName(person)}, added ${fullTime(face.created_at)}`}
              loading="lazy"
            />
            <span className={styles.origin}>
              {doubtful.has(face.id)
                ? "Somebody else?"
                : face.origin === "enrolment"
                  ? "Uploaded"
                  : "From a camera"}
            </span>
            <ForManagers>
              <ActionIcon
                className={styles.remove}
                variant="filled"
                color="dark"
                size="md"
                aria-label="Remove this photograph"
                onClick={() => setRemoving(face)}
              >
                <IconTrash size={16} aria-hidden />
              </ActionIcon>
            </ForManagers>
          </li>
        ))}
      </CardGrid>
      <Confirmation
        opened={removing !== undefined}
        title="Remove this photograph?"
        action="Remove photograph"
        pending={change.isPending}
        onConfirm={() => removing && remove(removing)}
        onClose={() => setRemoving(undefined)}
      >
        New faces will no longer be compared with it.
        {person.faces === 1 &&
          ` It is the only one: ${personName(person)} will not be recognised until there is another.`}
      </Confirmation>
    </Stack>
  );
}

/** Photographs that fit the person badly, by id, and who else looks like them. */
function useDoubts(personId: string) {
  const stats = useIdentityStats().data;
  const doubtful = new Map(
    stats?.doubtful
      .filter(({ person }) => person.id === personId)
      .map(({ face_id, closer_to }) => [face_id, closer_to ?? null]),
  );
  const alike = (stats?.look_alikes ?? [])
    .filter(({ persons }) => persons.some(({ id }) => id === personId))
    .flatMap(({ persons }) => persons.filter(({ id }) => id !== personId));
  return { doubtful, alike };
}

function Doubts({
  person,
  doubtful,
  alike,
}: {
  person: Person;
  doubtful: Map<string, PersonBrief | null>;
  alike: PersonBrief[];
}) {
  const closer = [...doubtful.values(), ...alike].filter((one) => one !== null);
  const others = [...new Map(closer.map((one) => [one.id, one])).values()];
  if (doubtful.size === 0 && others.length === 0) return null;
  return (
    <Alert color="orange" title="Are all of these the same person?">
      {others.length > 0 && (
        <>
          Usher may take {personName(person)} for{" "}
          {others.map((one, at) => (
            <Fragment key={one.id}>
              {at > 0 && ", "}
              <Anchor component={Link} to={`/people/${one.id}`} inherit underline="always">
                {personName(one)}
              </Anchor>
            </Fragment>
          ))}
          . If they are one person, merge them.{" "}
        </>
      )}
      {doubtful.size > 0 &&
        `${others.length > 0 ? "If not, " : ""}${count(doubtful.size, "photograph")} may show somebody else: look at what is marked, and remove what is not ${personName(person)}.`}
    </Alert>
  );
}

type Upload = {
  name: string;
  state: "waiting" | "added" | "refused";
  detail?: string | undefined;
  /** Refused; it may show the person among others. */
  photograph?: File | undefined;
};

function Uploads({ person }: { person: Person }) {
  const personId = person.id;
  const [asking, setAsking] = useState<{ place: number; photograph: File }>();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const [shooting, { open, close }] = useDisclosure();
  const clearChoice = useRef<() => void>(null);
  const { mutateAsync } = useMutation({
    mutationFn: (file: File) => add(personId, file),
    meta: SHOWS_ERROR,
  });

  function settle(place: number, result: Omit<Upload, "name">) {
    setUploads((current) =>
      current.map((upload, at) => (at === place ? { ...upload, ...result } : upload)),
    );
  }

  /** One after the other: each is decoded and embedded while its sender waits. */
  async function uploadAll(files: File[]) {
    clearChoice.current?.();
    setUploads(files.map(({ name }) => ({ name, state: "waiting" })));
    for (const [place, file] of files.entries()) await uploadOne(place, file, file);
  }

  function uploadOne(place: number, file: File, whole: File | undefined) {
    return mutateAsync(file).then(
      (detail) => settle(place, { state: "added", detail, photograph: undefined }),
      (error: Error) => {
        const among = isOfSeveralFaces(error) ? whole : undefined;
        settle(place, { state: "refused", detail: error.message, photograph: among });
      },
    );
  }

  const busy = uploads.some((upload) => upload.state === "waiting");
  return (
    <>
      <DropZone className={styles.drop} onFiles={(files) => !busy && void uploadAll(files)}>
        <FileButton
          accept="image/jpeg,image/png,image/webp,video/mp4,video/quicktime,video/webm"
          multiple
          resetRef={clearChoice}
          onChange={uploadAll}
          inputProps={{ "aria-label": "Photographs to add" }}
        >
          {(properties) => (
            <Button
              {...properties}
              variant="light"
              leftSection={<IconPhotoPlus size={18} aria-hidden />}
              loading={busy}
            >
              Add photographs
            </Button>
          )}
        </FileButton>
        <Button
          variant="default"
          leftSection={<IconCamera size={18} aria-hidden />}
          disabled={busy}
          onClick={open}
        >
          Use the camera
        </Button>
        <Text fz="sm" c="dimmed">
          or drop them here: JPEG, PNG or WebP, one face each; two or three different ones work
          best. Or a video of them alone, of a minute at most, of which the best frames are kept.
        </Text>
      </DropZone>
      <CameraShots
        opened={shooting}
        onClose={close}
        onTaken={(pictures) => {
          close();
          void uploadAll(pictures);
        }}
      />
      {asking && (
        <FaceChoice
          photograph={asking.photograph}
          title={`Which of them is ${personName(person)}?`}
          onClose={() => setAsking(undefined)}
          onChosen={(picture) => {
            setAsking(undefined);
            void uploadOne(asking.place, picture, asking.photograph);
          }}
        />
      )}
      <ul className={styles.uploads} aria-label="Uploads" aria-live="polite">
        {uploads.map((upload, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: two files may have one name
          <li key={place}>
            <Group gap={8} wrap="nowrap" align="start">
              <UploadMark state={upload.state} />
              <Text fz="sm" className={styles.result}>
                <b>{upload.name}</b>{" "}
                {upload.detail ?? (upload.state === "added" ? "Added." : "Waiting…")}
              </Text>
              {upload.photograph && (
                <Button
                  size="compact-sm"
                  variant="light"
                  flex="none"
                  onClick={() =>
                    upload.photograph && setAsking({ place, photograph: upload.photograph })
                  }
                >
                  Choose the face
                </Button>
              )}
            </Group>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Adds a photograph, or what a video gives; says how many that are. */
async function add(personId: string, file: File): Promise<string | undefined> {
  if (!file.type.startsWith("video/")) {
    await addFace(personId, file);
    return undefined;
  }
  const faces = await addVideo(personId, file);
  return `Added ${count(faces.length, "photograph")} of it.`;
}

function UploadMark({ state }: { state: Upload["state"] }) {
  if (state === "waiting") return <Loader size={16} className={styles.mark} aria-hidden />;
  if (state === "added") {
    return (
      <IconCheck
        size={18}
        color="var(--mantine-color-pine-6)"
        className={styles.mark}
        aria-hidden
      />
    );
  }
  return (
    <IconX size={18} color="var(--mantine-color-red-text)" className={styles.mark} aria-hidden />
  );
}
