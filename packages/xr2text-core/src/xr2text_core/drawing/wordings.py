"""The sentences of the phantom's reports. The first wording of a statement is its commonest.

Places to fill: {severity} mild, {adverb} mildly, {size} small, {lesion} small nodule, {side} right, {place} upper lobe.
"""

Wordings = tuple[str, ...]

POSITIVE: dict[str, Wordings] = {
    "cardiomegaly": (
        "The heart is {adverb} enlarged.",
        "There is {severity} cardiomegaly.",
        "{severity} cardiomegaly is present.",
    ),
    "enlarged cardiomediastinum": (
        "The mediastinum is {adverb} widened.",
        "There is {severity} widening of the mediastinum.",
        "{severity} mediastinal widening is noted.",
    ),
    "pleural effusion": (
        "There is a {size} {side} pleural effusion.",
        "A {size} {side} pleural effusion is present.",
        "{size} {side} pleural effusion blunts the costophrenic angle.",
    ),
    "pneumothorax": (
        "There is a {size} {side} pneumothorax.",
        "A {size} {side} pneumothorax is present.",
        "{size} pneumothorax on the {side}.",
    ),
    "consolidation": (
        "There is a {size} consolidation in the {side} {place}.",
        "A {size} area of consolidation is seen in the {side} {place}.",
        "{size} {side} {place} consolidation.",
        "There is a {size} consolidation in the {side} {place}, which may represent pneumonia.",
    ),
    "lung lesion": (
        "A {lesion} is seen in the {side} {place}.",
        "There is a {lesion} in the {side} {place}.",
        "{lesion} projects over the {side} {place}.",
    ),
    "atelectasis": (
        "{severity} linear atelectasis is seen in the {side} {place}.",
        "There is {severity} atelectasis in the {side} {place}.",
        "{severity} {side} {place} atelectasis.",
    ),
    "edema": (
        "There is {severity} pulmonary edema.",
        "{severity} pulmonary edema is present in both lungs.",
        "Findings show {severity} pulmonary edema.",
    ),
    "hyperinflation": (
        "The lungs are {adverb} hyperinflated.",
        "There is {severity} hyperinflation of the lungs.",
        "{adverb} hyperinflated lungs.",
    ),
    "low lung volumes": (
        "Lung volumes are low.",
        "There are low lung volumes.",
        "Low lung volumes are noted.",
    ),
    "elevated diaphragm": (
        "The {side} hemidiaphragm is {adverb} elevated.",
        "There is {severity} elevation of the {side} hemidiaphragm.",
        "{severity} elevation of the {side} hemidiaphragm is noted.",
    ),
    "scoliosis": (
        "There is {severity} scoliosis of the spine, convex to the {side}.",
        "{severity} scoliosis convex to the {side} is noted.",
        "{severity} thoracic scoliosis, convex to the {side}.",
    ),
}

POSITIVE_BOTH_SIDES: dict[str, Wordings] = {
    "pleural effusion": (
        "There are {size} bilateral pleural effusions.",
        "{size} bilateral pleural effusions are present.",
        "{size} pleural effusions are seen on both sides.",
    ),
    "consolidation": (
        "There are {size} consolidations in both lower lobes.",
        "{size} bilateral lower lobe consolidations are seen.",
        "{size} areas of consolidation are seen in both lower lobes.",
    ),
    "atelectasis": (
        "{severity} linear atelectasis is seen in both lower lobes.",
        "There is {severity} atelectasis in both lower lobes.",
        "{severity} bilateral lower lobe atelectasis.",
    ),
}

DEVICE: dict[str, Wordings] = {
    "pacemaker": (
        "A left chest pacemaker is in place.",
        "Left chest pacemaker with intact lead.",
        "A pacemaker overlies the left chest.",
    ),
    "central line": (
        "A right central venous catheter ends in the superior vena cava.",
        "The tip of the right central venous catheter is in the superior vena cava.",
        "Right central venous catheter in place.",
    ),
    "endotracheal tube": (
        "The endotracheal tube ends above the carina.",
        "An endotracheal tube is in place.",
        "Endotracheal tube tip is above the carina.",
    ),
    "feeding tube": (
        "A feeding tube extends into the stomach.",
        "The feeding tube ends in the stomach.",
        "Feeding tube in place.",
    ),
}

TECHNIQUE: dict[str, Wordings] = {
    "portable": (
        "Portable AP view of the chest.",
        "Single portable view of the chest.",
        "AP portable chest radiograph.",
    ),
    "rotated": (
        "The patient is rotated to the {side}.",
        "The patient is slightly rotated to the {side}.",
        "Patient rotation to the {side}.",
    ),
}

# Normal upright films, in the usual order.
NORMAL_PA: dict[str, Wordings] = {
    "heart": ("The heart is normal in size.", "Heart size is normal.", "The heart size is within normal limits."),
    "mediastinum": (
        "The mediastinal contours are unremarkable.",
        "The mediastinum is unremarkable.",
        "Mediastinal contours are normal.",
    ),
    "lungs": (
        "The lungs are clear without focal consolidation.",
        "The lungs are clear.",
        "The lungs are clear bilaterally.",
    ),
    "pleura": (
        "There is no pleural effusion or pneumothorax.",
        "No pleural effusion or pneumothorax is seen.",
        "There is no pneumothorax or pleural effusion.",
    ),
    "diaphragm": (
        "The hemidiaphragms are normal in contour.",
        "The diaphragm is normal.",
        "Both hemidiaphragms are normal.",
    ),
    "bones": (
        "The visualized spine and ribs are intact.",
        "The bones are intact.",
        "The osseous structures are intact.",
    ),
}

# Normal portable films: lungs first, and other set phrases.
NORMAL_AP: dict[str, Wordings] = {
    "lungs": (
        "Both lungs appear well aerated, no airspace opacity.",
        "Lungs appear well aerated.",
        "No airspace opacity in either lung.",
    ),
    "pleura": (
        "Negative for pneumothorax, negative for effusion.",
        "Negative for pneumothorax or effusion.",
        "Pleural spaces appear clear.",
    ),
    "heart": (
        "Cardiomediastinal silhouette within normal limits.",
        "Normal cardiomediastinal silhouette.",
        "Cardiomediastinal silhouette appears normal.",
    ),
    "diaphragm": (
        "Diaphragm sharply outlined on each side.",
        "Diaphragm sharply outlined.",
        "Normal position of the diaphragm.",
    ),
    "bones": (
        "Regional skeleton shows no acute abnormality.",
        "Regional skeleton appears unremarkable.",
        "No acute skeletal abnormality.",
    ),
}

# What is normal beside findings, in few words.
NORMAL_REST: dict[str, Wordings] = {
    "heart and mediastinum": (
        "Cardiac and mediastinal contours are otherwise normal.",
        "Normal heart and mediastinum.",
        "Cardiac and mediastinal contours are normal.",
    ),
    "heart": ("Cardiac size is normal.", "Normal cardiac size.", "Cardiac contour is normal."),
    "mediastinum": (
        "Upper mediastinum is not widened.",
        "No mediastinal widening.",
        "Upper mediastinum is normal.",
    ),
    "both lungs": ("No focal lung lesion.", "No focal lung opacity.", "Lung fields remain clear."),
    "one lung": ("The {side} lung is clear.", "Clear {side} lung.", "The {side} lung remains clear."),
    "pleura": ("No effusion, no pneumothorax.", "No effusion or pneumothorax.", "No pneumothorax, no effusion."),
    "no effusion": ("No associated effusion.", "No pleural effusion.", "There is no effusion."),
    "no pneumothorax": ("No pneumothorax.", "No associated pneumothorax.", "There is no pneumothorax."),
    "diaphragm": ("Diaphragm in normal position.", "Normal diaphragm.", "Diaphragm is in normal position."),
    "bones": ("No spinal curvature or fracture.", "No fracture.", "No acute fracture."),
}

IMPRESSION_NORMAL: Wordings = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary process.",
    "Normal chest.",
)
IMPRESSION: dict[str, str] = {
    "cardiomegaly": "{severity} cardiomegaly",
    "enlarged cardiomediastinum": "{severity} mediastinal widening",
    "pleural effusion": "{size} {side} pleural effusion",
    "pneumothorax": "{size} {side} pneumothorax",
    "consolidation": "{size} {side} {place} consolidation",
    "lung lesion": "{side} {place} {lesion}",
    "atelectasis": "{side} {place} atelectasis",
    "edema": "{severity} pulmonary edema",
    "hyperinflation": "{severity} hyperinflation",
    "low lung volumes": "low lung volumes",
    "elevated diaphragm": "elevated {side} hemidiaphragm",
    "scoliosis": "{severity} scoliosis",
}
