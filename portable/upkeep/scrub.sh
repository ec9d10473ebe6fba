seen=
for folder; do
    kind=$(stat -f -c %T "$folder" 2>/dev/null) || { echo "absent|$folder|"; continue; }
    [ "$kind" = btrfs ] || { echo "other|$folder|$kind"; continue; }
    system=$(findmnt -nro UUID -T "$folder" 2>/dev/null)
    [ -n "$system" ] || system=$(findmnt -nvro SOURCE -T "$folder" 2>/dev/null)
    [ -n "$system" ] || system=$(stat -f -c %i "$folder")
    case " $seen " in *" $system "*) continue ;; esac
    seen="$seen $system"
    command -v btrfs >/dev/null || { echo "missing|$folder|"; continue; }
    said=$(btrfs scrub start -B "$folder" 2>&1)
    echo "$?|$folder|$(printf '%s\n' "$said" | sed -n '/^ERROR\|Error summary\|orrected:\|ncorrectable:/p' | tr -s ' \n' ' ')"
done
