import {
  Anchor,
  Button,
  FileButton,
  Group,
  Loader,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconFaceId, IconPhotoSearch, IconUserQuestion } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { assignDetection, createPerson, isOfSeveralFaces, type SearchFilter } from "../api/client";
import { type Probe, useCameraName, useFaceSearch, useIdentification } from "../api/queries";
import type { Confidence, Person, SearchResult } from "../api/types";
import { ActionBar } from "../components/ActionBar";
import { CameraFilter } from "../components/CameraFilter";
import { CardGrid } from "../components/CardGrid";
import { DetectionCard, type Selection } from "../components/DetectionCard";
import { Dialog } from "../components/Dialog";
import { DropZone } from "../components/DropZone";
import { EmptyState } from "../components/EmptyState";
import { FaceChoice } from "../components/FaceChoice";
import { Failure } from "../components/Failure";
import { LoadMore } from "../components/LoadMore";
import { PageHeader } from "../components/PageHeader";
import { useIdentityChange } from "../components/Undo";
import { useObjectUrl } from "../components/useObjectUrl";
import { WhoForm } from "../components/WhoForm";
import { count, midnight, startOfDay } from "../format";
import { personName } from "../outcome";
import { wordsOf } from "../recognition";
import styles from "./SearchPage.module.css";

const CARD_WIDTH_PX = 190;

/** A photograph in, every time that this face was seen out. */
export function SearchPage() {
  const [probe, setProbe] = useState<Probe>();
  const [camera, setCamera] = useState("");
  const [days, setDays] = useState({ from: "", to: "" });
  const number = useRef(0);

  function choose(photograph: File | null | undefined) {
    if (!photograph) return;
    number.current += 1;
    setProbe({ number: number.current, photograph });
  }

  usePastedPhotograph(choose);
  const filter: SearchFilter = {
    ...(camera && { camera_id: camera }),
    ...(days.from && { from: startOfDay(days.from).toISOString() }),
    ...(days.to && { to: midnight(startOfDay(days.to), 1).toISOString() }),
  };
  return (
    <>
      <PageHeader title="Search by face" />
      <Stack gap="md">
        <PhotographField probe={probe} onChoose={choose} />
        <Filters camera={camera} onCamera={setCamera} days={days} onDays={setDays} />
        <WhoItIs probe={probe} />
        <Results key={probe?.number} probe={probe} filter={filter} onChoose={choose} />
      </Stack>
    </>
  );
}

/** Takes a photograph that is pasted anywhere on the page. */
function usePastedPhotograph(onPaste: (photograph: File) => void) {
  useEffect(() => {
    function paste(event: ClipboardEvent) {
      const [file] = event.clipboardData?.files ?? [];
      if (file?.type.startsWith("image/")) onPaste(file);
    }
    window.addEventListener("paste", paste);
    return () => window.removeEventListener("paste", paste);
  });
}

function PhotographField({
  probe,
  onChoose,
}: {
  probe: Probe | undefined;
  onChoose: (photograph: File | null | undefined) => void;
}) {
  const clearChoice = useRef<() => void>(null);

  return (
    <DropZone className={styles.probe} onFiles={([photograph]) => onChoose(photograph)}>
      {probe ? (
        <Photograph key={probe.number} photograph={probe.photograph} />
      ) : (
        <div className={styles.empty}>
          <IconFaceId size={40} stroke={1.3} aria-hidden />
        </div>
      )}
      <Stack gap={6} align="start">
        <FileButton
          accept="image/jpeg,image/png,image/webp"
          resetRef={clearChoice}
          onChange={(photograph) => {
            onChoose(photograph);
            clearChoice.current?.();
          }}
          inputProps={{ "aria-label": "Photograph to search for" }}
        >
          {(properties) => (
            <Button
              {...properties}
              variant={probe ? "light" : "filled"}
              leftSection={<IconPhotoSearch size={18} aria-hidden />}
            >
              {probe ? "Another photograph" : "Choose a photograph"}
            </Button>
          )}
        </FileButton>
        <Text fz="sm" c="dimmed">
          or drop or paste one here. Of several faces you choose one. It is not kept.
        </Text>
      </Stack>
    </DropZone>
  );
}

function Photograph({ photograph }: { photograph: File }) {
  const url = useObjectUrl(photograph);
  return url ? (
    <img className={styles.photograph} src={url} alt="What is searched for" />
  ) : (
    <div className={styles.empty} />
  );
}

type Days = { from: string; to: string };

function Filters({
  camera,
  onCamera,
  days,
  onDays,
}: {
  camera: string;
  onCamera: (id: string) => void;
  days: Days;
  onDays: (days: Days) => void;
}) {
  return (
    <search className={styles.filters}>
      <CameraFilter label="Camera" value={camera} onChange={onCamera} />
      <TextInput
        type="date"
        label="From"
        value={days.from}
        onChange={(event) => onDays({ ...days, from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label="To"
        value={days.to}
        onChange={(event) => onDays({ ...days, to: event.currentTarget.value })}
      />
    </search>
  );
}

/** Whom Usher would call this face, wherever it was seen. */
function WhoItIs({ probe }: { probe: Probe | undefined }) {
  const [face, ...others] = useIdentification(probe).data?.faces ?? [];
  if (!face || others.length > 0) return null;
  const { label, detail } = wordsOf(face);
  const person = face.person ?? face.candidate;
  return (
    <Text role="note" aria-label="Who this is">
      {person ? (
        <Anchor component={Link} to={`/people/${person.id}`} inherit fw={600} underline="always">
          {label}
        </Anchor>
      ) : (
        <b>{label}</b>
      )}{" "}
      {detail}
    </Text>
  );
}

const BANDS: { band: Confidence; label: string; hint: string }[] = [
  { band: "high", label: "This face", hint: "Hardly ever somebody else." },
  { band: "medium", label: "Probably this face", hint: "Seldom somebody else." },
  { band: "low", label: "Perhaps this face", hint: "Look closely: others may be among them." },
];

function Results({
  probe,
  filter,
  onChoose,
}: {
  probe: Probe | undefined;
  filter: SearchFilter;
  onChoose: (photograph: File) => void;
}) {
  const search = useFaceSearch(probe, filter);
  const [chosen, setChosen] = useState<ReadonlySet<string>>();

  if (!probe) return null;
  if (search.isPending) return <Loader aria-label="Searching" mx="auto" my="xl" />;
  if (isOfSeveralFaces(search.error)) {
    return <SeveralFaces photograph={probe.photograph} onChoose={onChoose} />;
  }
  if (!search.data) return <Failure error={search.error} />;
  const { items, total, searched } = search.data;
  if (items.length === 0) {
    return (
      <EmptyState icon={IconUserQuestion} title="Not seen">
        This face is in none of {count(searched, "detection")} that were looked through.
      </EmptyState>
    );
  }

  function toggle(id: string) {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  }

  return (
    <section aria-label="Results">
      <Group justify="space-between" gap="sm">
        <Text fz="sm" c="dimmed" role="status">
          {count(total, "time")} among {count(searched, "detection")}, the likest first
          {items.length < total && `; ${items.length} are shown so far`}.
        </Text>
        <Button
          variant="default"
          size="xs"
          aria-pressed={chosen !== undefined}
          onClick={() => setChosen(chosen ? undefined : new Set())}
        >
          This is…
        </Button>
      </Group>
      {BANDS.map(({ band, label, hint }) => (
        <Band
          key={band}
          label={label}
          hint={hint}
          items={items.filter(({ confidence }) => confidence === band)}
          selection={chosen && { ids: chosen, toggle }}
        />
      ))}
      <LoadMore list={search} />
      {chosen && (
        <Naming
          chosen={chosen}
          sure={items.filter(({ confidence }) => confidence === "high")}
          onChoose={setChosen}
          onDone={() => setChosen(undefined)}
        />
      )}
    </section>
  );
}

/** A photograph of several people: whom to search for is asked. */
function SeveralFaces({
  photograph,
  onChoose,
}: {
  photograph: File;
  onChoose: (picture: File) => void;
}) {
  const [opened, { open, close }] = useDisclosure(true);
  return (
    <Group gap="sm">
      <Text>The photograph shows several faces.</Text>
      <Button variant="light" onClick={open}>
        Choose the face
      </Button>
      {opened && (
        <FaceChoice
          photograph={photograph}
          title="Which face is searched for?"
          onClose={close}
          onChosen={(picture) => {
            close();
            onChoose(picture);
          }}
        />
      )}
    </Group>
  );
}

function Band({
  label,
  hint,
  items,
  selection,
}: {
  label: string;
  hint: string;
  items: SearchResult[];
  selection: Selection | undefined;
}) {
  const cameraName = useCameraName();
  if (items.length === 0) return null;
  return (
    <section aria-label={label}>
      <Group gap="xs" align="baseline" mt="md" mb="xs">
        <Title order={2}>{label}</Title>
        <Text fz="sm" c="dimmed">
          {hint}
        </Text>
      </Group>
      <CardGrid label={label} cardWidth={CARD_WIDTH_PX}>
        {items.map(({ detection }) => (
          <li key={detection.id}>
            <DetectionCard
              detection={detection}
              camera={cameraName(detection.camera_id)}
              selection={selection}
              dated
            />
          </li>
        ))}
      </CardGrid>
    </section>
  );
}

/** Says who the chosen pictures show: somebody new by name, or somebody whom Usher has. */
function Naming({
  chosen,
  sure,
  onChoose,
  onDone,
}: {
  chosen: ReadonlySet<string>;
  sure: SearchResult[];
  onChoose: (ids: ReadonlySet<string>) => void;
  onDone: () => void;
}) {
  const [opened, { open, close }] = useDisclosure();
  const change = useIdentityChange();

  async function assignAll(personId: string) {
    for (const id of chosen) await assignDetection(id, { person_id: personId });
  }

  function name(given: string) {
    const request = async () => assignAll((await createPerson({ name: given })).id);
    change.run(request, { done: `Usher knows ${given} now.`, onDone });
  }

  function pick(person: Person) {
    change.run(() => assignAll(person.id), {
      done: `This is ${personName(person)}.`,
      personId: person.id,
      onDone,
    });
  }

  return (
    <ActionBar>
      <Text fz="sm" fw={600} aria-live="polite">
        {chosen.size === 0 ? "Choose the pictures of one person" : `${chosen.size} chosen`}
      </Text>
      <Group gap="xs">
        <Button size="xs" variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button
          size="xs"
          variant="default"
          disabled={sure.length === 0}
          onClick={() => onChoose(new Set(sure.map(({ detection }) => detection.id)))}
        >
          Choose the sure ones
        </Button>
        <Button size="xs" disabled={chosen.size === 0} onClick={open}>
          Say who this is
        </Button>
      </Group>
      <Dialog opened={opened} onClose={close} title={`Who is on ${count(chosen.size, "picture")}?`}>
        <WhoForm
          exclude={undefined}
          pending={change.isPending}
          onName={name}
          onPick={pick}
          focusName
        />
      </Dialog>
    </ActionBar>
  );
}
