import { Input, MultiSelect, SegmentedControl, Stack, Text } from "@mantine/core";
import { useCameras } from "../api/queries";
import type { PersonRole } from "../api/types";
import { ROLES } from "../userWords";

export type Access = { role: PersonRole; cameras: string[] };

/** What somebody or something may do, and of which cameras. */
export function ScopeFields({
  access: { role, cameras },
  onChange,
  whole = [],
}: {
  access: Access;
  onChange: (access: Access) => void;
  /** Roles that have every camera. */
  whole?: PersonRole[];
}) {
  return (
    <Stack>
      <Input.Wrapper label="Role">
        <SegmentedControl
          fullWidth
          aria-label="Role"
          value={role}
          onChange={(chosen) => onChange({ role: chosen as PersonRole, cameras })}
          data={ROLES.map(({ value, label }) => ({ value, label }))}
        />
        <Text fz="xs" c="dimmed" mt={4}>
          {ROLES.find(({ value }) => value === role)?.may}
        </Text>
      </Input.Wrapper>
      {!whole.includes(role) && (
        <CameraChoice
          cameras={cameras}
          onChange={(chosen) => onChange({ role, cameras: chosen })}
        />
      )}
    </Stack>
  );
}

function CameraChoice({
  cameras,
  onChange,
}: {
  cameras: string[];
  onChange: (cameras: string[]) => void;
}) {
  const known = useCameras();
  const names = new Map(known.data?.map(({ id, name }) => [id, name]));
  const ids = [...new Set([...names.keys(), ...cameras])];
  return (
    <MultiSelect
      label="Cameras"
      description="Sees what these have seen, and nothing else. None chosen: all cameras."
      placeholder={cameras.length === 0 ? "All cameras" : undefined}
      data={ids.map((id) => ({ value: id, label: names.get(id) ?? id }))}
      value={cameras}
      onChange={onChange}
      searchable
      clearable
      nothingFoundMessage="No such camera"
    />
  );
}
